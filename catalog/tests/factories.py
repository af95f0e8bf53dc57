"""Goods for tests. What a test doesn't name is plausible; cards are always fresh."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from catalog import services
from catalog.models import (
    Attribute,
    AttributeValue,
    Category,
    Collection,
    CollectionProduct,
    Image,
    Price,
    Product,
    ProductAttribute,
    ProductOption,
    Variant,
    Vendor,
)

_serial = count(1)
PUBLISHED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def make_category(
    name: str = "", *, parent: Category | None = None, **fields: Any
) -> Category:
    name = name or f"Category {next(_serial)}"
    fields.setdefault("slug", slugify(name))
    return Category.objects.create(name=name, parent=parent, **fields)


def make_collection(title: str = "", **fields: Any) -> Collection:
    title = title or f"Collection {next(_serial)}"
    fields.setdefault("slug", slugify(title))
    return Collection.objects.create(title=title, **fields)


def make_vendor(name: str = "", **fields: Any) -> Vendor:
    name = name or f"Vendor {next(_serial)}"
    fields.setdefault("slug", slugify(name))
    return Vendor.objects.create(name=name, **fields)


def make_attribute(
    code: str = "", *, values: Iterable[str] = (), **fields: Any
) -> Attribute:
    code = code or f"attribute-{next(_serial)}"
    fields.setdefault("name", code.replace("-", " ").capitalize())
    attribute = Attribute.objects.create(code=code, **fields)
    for position, label in enumerate(values):
        AttributeValue.objects.create(
            attribute=attribute, code=slugify(label), label=label, position=position
        )
    return attribute


@transaction.atomic
def make_product(
    *,
    title: str = "",
    status: str = "active",
    variants: Sequence[Mapping[str, Any]] | None = None,
    vendor: Vendor | str | None = None,
    categories: Iterable[Category] = (),
    collections: Iterable[Collection] = (),
    attributes: Mapping[str, str] | None = None,
    images: Iterable[str] = (),
    **fields: Any,
) -> Product:
    """Make a product with its variants, each ``{sku, options, prices, in_stock, …}``.

    ``options`` maps names to values, in one order for all variants; ``prices`` currencies to
    minor units. Without ``variants`` there is one, at 19.99 EUR. ``attributes`` maps codes
    of existing choice attributes to codes of their values.
    """
    title = title or f"Product {next(_serial)}"
    fields.setdefault("slug", f"{slugify(title)}-{next(_serial)}")
    fields.setdefault("published_at", PUBLISHED_AT if status == "active" else None)
    if isinstance(vendor, str):
        defaults = {"name": vendor}
        vendor, _ = Vendor.objects.get_or_create(
            slug=slugify(vendor), defaults=defaults
        )
    product = Product.objects.create(
        title=title, status=status, vendor=vendor, **fields
    )
    product.categories.set(categories)
    for collection in collections:
        CollectionProduct.objects.create(collection=collection, product=product)
    for position, url in enumerate(images):
        Image.objects.create(product=product, url=url, position=position, alt=title)
    for code, value in (attributes or {}).items():
        ProductAttribute.objects.create(
            product=product,
            attribute=Attribute.objects.get(code=code),
            value=AttributeValue.objects.get(attribute__code=code, code=value),
        )
    chosen = [{}] if variants is None else list(variants)
    _make_options(product, [dict(v.get("options", {})) for v in chosen])
    for position, variant in enumerate(chosen):
        _make_variant(product, **{"position": position, **variant})
    services.refresh_cards(product_ids=[product.pk])
    return product


@transaction.atomic
def make_variant(*, product: Product | None = None, **fields: Any) -> Variant:
    """Make a variant, with an active product around it where none is given.

    Fields as in ``make_product``'s variants, such as ``sku``, ``prices``, ``in_stock``.
    """
    if product is None:
        product = make_product(variants=[])
        _make_options(product, [dict(fields.get("options", {}))])
    elif "options" not in fields and product.variants.exists():
        option, _ = ProductOption.objects.get_or_create(product=product, name="Number")
        fields["options"] = {option.name: str(next(_serial))}
    variant = _make_variant(product, **fields)
    services.refresh_cards(product_ids=[product.pk])
    return variant


def _make_options(product: Product, choices: Sequence[Mapping[str, str]]) -> None:
    names = list(choices[0]) if choices else []
    for position, name in enumerate(names):
        values = list(dict.fromkeys(choice[name] for choice in choices))
        ProductOption.objects.create(
            product=product, name=name, position=position, values=values
        )


def _make_variant(
    product: Product,
    *,
    options: Mapping[str, str] | None = None,
    prices: Mapping[str, int] | None = None,
    **fields: Any,
) -> Variant:
    fields.setdefault("sku", f"SKU-{next(_serial)}")
    variant = Variant.objects.create(
        product=product, option_values=list((options or {}).values()), **fields
    )
    amounts = {"EUR": 1999} if prices is None else prices
    Price.objects.bulk_create(
        Price(variant=variant, currency=currency, amount=amount)
        for currency, amount in amounts.items()
    )
    return variant
