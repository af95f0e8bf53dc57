from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from catalog.constants import MAX_OPTION_VALUES, MAX_VARIANTS
from catalog.events import PriceChanged
from catalog.exceptions import (
    OptionsMismatchError,
    TooManyError,
    UnknownReferenceError,
)
from catalog.models import Image, Price, Product, ProductOption, Variant
from catalog.services._cards import lock_products, refresh_cards
from catalog.services._integrity import (
    change_row,
    delete_row,
    find,
    note,
    refusing,
)
from core.events import publish
from core.money import Money


@transaction.atomic
def add_variant(
    product_id: UUID, *, fields: Mapping[str, Any], actor_id: UUID | None
) -> Variant:
    """Add a variant with its prices; new option values join the product's.

    :raises OptionsMismatchError: where its options aren't the product's.
    :raises VariantExistsError: where another has the same values.
    :raises SkuTakenError: where another variant of the shop has the SKU.
    """
    lock_products([product_id])
    find(Product.objects.all(), pk=product_id)
    variant = insert_variant(product_id, fields)
    note(variant, "created", after=fields, actor_id=actor_id)
    refresh_cards(product_ids=[product_id])
    return variant


def insert_variant(product_id: UUID, fields: Mapping[str, Any]) -> Variant:
    variants = Variant.objects.filter(product_id=product_id)
    if variants.count() >= MAX_VARIANTS:
        raise TooManyError("variants", MAX_VARIANTS)
    columns = {**fields}
    prices = columns.pop("prices", ())
    columns["option_values"] = _option_values(product_id, columns.pop("options", {}))
    _check_image(product_id, columns.get("image_id"))
    if "position" not in columns:
        last = variants.aggregate(last=Max("position"))["last"]
        columns["position"] = 0 if last is None else last + 1
    with refusing():
        variant = Variant.objects.create(product_id=product_id, **columns)
        for price in prices:
            _insert_price(variant, price)
    return variant


@transaction.atomic
def change_variant(
    pk: UUID, *, version: int, changes: Mapping[str, Any], actor_id: UUID | None
) -> Variant:
    """Change a variant; its prices are changed by themselves.

    :raises OptionsMismatchError: or VariantExistsError, SkuTakenError, as for a new one.
    """
    variant = _locked_variant(pk)
    columns = {**changes}
    if "options" in columns:
        values = _option_values(variant.product_id, columns.pop("options"))
        columns["option_values"] = values
    _check_image(variant.product_id, columns.get("image_id"))
    change_row(variant, version=version, changes=columns, actor_id=actor_id)
    refresh_cards(product_ids=[variant.product_id])
    variant.refresh_from_db()
    return variant


@transaction.atomic
def delete_variant(pk: UUID, *, version: int, actor_id: UUID | None) -> None:
    """Remove a variant and its prices.

    :raises InUseError: where stock or an order refers to it.
    """
    variant = _locked_variant(pk)
    delete_row(variant, version=version, actor_id=actor_id)
    refresh_cards(product_ids=[variant.product_id])


@transaction.atomic
def add_price(
    variant_id: UUID, *, fields: Mapping[str, Any], actor_id: UUID | None
) -> Price:
    """Give a variant its price in one more currency.

    :raises PriceExistsError: where it has one.
    """
    variant = _locked_variant(variant_id)
    with refusing():
        price = _insert_price(variant, fields)
    note(price, "created", after=_amounts(price), actor_id=actor_id)
    refresh_cards(product_ids=[variant.product_id])
    return price


@transaction.atomic
def change_price(
    variant_id: UUID,
    currency: str,
    *,
    version: int,
    changes: Mapping[str, Any],
    actor_id: UUID | None,
) -> Price:
    variant = _locked_variant(variant_id)
    price = find(Price.objects.filter(variant=variant), currency=currency)
    columns = _price_columns(changes, currency=currency)
    change_row(price, version=version, changes=columns, actor_id=actor_id)
    previous = price.amount
    price.refresh_from_db()
    if price.amount != previous:
        _publish_price(variant, currency, price.amount, previous)
    refresh_cards(product_ids=[variant.product_id])
    return price


@transaction.atomic
def delete_price(
    variant_id: UUID, currency: str, *, version: int, actor_id: UUID | None
) -> None:
    """Stop selling the variant in the currency."""
    variant = _locked_variant(variant_id)
    price = find(Price.objects.filter(variant=variant), currency=currency)
    delete_row(price, version=version, actor_id=actor_id)
    _publish_price(variant, currency, None, price.amount)
    refresh_cards(product_ids=[variant.product_id])


def _locked_variant(pk: UUID) -> Variant:
    variant = find(Variant.objects.all(), pk=pk)
    lock_products([variant.product_id])
    # What was read before the lock may be old.
    return find(Variant.objects.all(), pk=pk)


def _option_values(product_id: UUID, chosen: Mapping[str, str]) -> list[str]:
    """Return the values in the options' order, and let the options know new ones."""
    rows = ProductOption.objects.filter(product_id=product_id)
    options = list(rows.order_by("position", "pk"))
    if {option.name for option in options} != set(chosen):
        names = [option.name for option in options]
        raise OptionsMismatchError(f"The product's options are {names}.", options=names)
    for option in options:
        if chosen[option.name] not in option.values:
            if len(option.values) >= MAX_OPTION_VALUES:
                raise TooManyError("values of an option", MAX_OPTION_VALUES)
            option.values.append(chosen[option.name])
            option.save(update_fields=["values"])
    return [chosen[option.name] for option in options]


def _check_image(product_id: UUID, image_id: UUID | None) -> None:
    if image_id is None:
        return
    if not Image.objects.filter(pk=image_id, product_id=product_id).exists():
        raise UnknownReferenceError(["#/image_id"])


def _insert_price(variant: Variant, fields: Mapping[str, Any]) -> Price:
    money: Money = fields["price"]
    columns = _price_columns(fields, currency=money.currency)
    price = Price.objects.create(variant=variant, currency=money.currency, **columns)
    _publish_price(variant, price.currency, price.amount, None)
    return price


def _price_columns(fields: Mapping[str, Any], *, currency: str) -> dict[str, Any]:
    """Turn money into columns; both amounts are in the price's own currency."""
    columns: dict[str, Any] = {}
    for name, column in (
        ("price", "amount"),
        ("compare_at_price", "compare_at_amount"),
    ):
        if name not in fields:
            continue
        money: Money | None = fields[name]
        # Adding refuses another currency.
        columns[column] = None if money is None else (money + Money(0, currency)).amount
    return columns


def _publish_price(
    variant: Variant, currency: str, amount: int | None, previous: int | None
) -> None:
    publish(
        PriceChanged(
            variant_id=variant.pk,
            product_id=variant.product_id,
            currency=currency,
            amount=amount,
            previous_amount=previous,
        )
    )


def _amounts(price: Price) -> dict[str, Any]:
    return {
        "currency": price.currency,
        "amount": price.amount,
        "compare_at_amount": price.compare_at_amount,
    }


def replace_options(product_id: UUID, options: Sequence[Mapping[str, Any]]) -> None:
    """Set a product's options; those of existing variants may be renamed and extended.

    The first option stays the first: values belong to options by their order.

    :raises OptionsMismatchError: where a variant would have a value too many, too few,
        or one that its option doesn't offer.
    """
    offered = [set(option["values"]) for option in options]
    variants = Variant.objects.filter(product_id=product_id)
    for values in variants.values_list("option_values", flat=True):
        fits = len(values) == len(offered) and all(
            value in choices for value, choices in zip(values, offered, strict=True)
        )
        if not fits:
            raise OptionsMismatchError(f"A variant has the values {values}.")
    ProductOption.objects.filter(product_id=product_id).delete()
    ProductOption.objects.bulk_create(
        ProductOption(product_id=product_id, position=position, **option)
        for position, option in enumerate(options)
    )
