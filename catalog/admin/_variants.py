from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog import services
from catalog.admin._forms import (
    CatalogAdmin,
    LinesField,
    VersionedForm,
    edited,
    is_new,
)
from catalog.exceptions import OptionsMismatchError
from catalog.models import Image, Price, ProductOption, Variant, require_indexable
from core.administration import MoneyForm, TabularInline, money_text
from core.errors import DomainError
from core.money import Money, parse_money

COLUMNS = ("sku", "barcode", "position", "weight_grams", "image")
PRICES = {"price": "amount", "compare_at_price": "compare_at_amount"}


def options_of(product_id: UUID, values: list[str]) -> dict[str, str]:
    """Pair values with the names of the product's options, which have an order.

    :raises OptionsMismatchError: where there are more or fewer values than options.
    """
    rows = ProductOption.objects.filter(product_id=product_id)
    names = list(rows.order_by("position", "pk").values_list("name", flat=True))
    if len(names) != len(values):
        told = f"A variant needs one value for each of {names}, not {values}."
        raise OptionsMismatchError(told, options=names)
    return dict(zip(names, values, strict=True))


class VariantForm(VersionedForm):
    option_values = LinesField(
        required=False,
        max_length=255,
        validators=[require_indexable],
        help_text="One in a line, as the options stand.",
    )
    labels = {"sku": "SKU", "weight_grams": "Weight in g"}


class PricedVariantForm(VariantForm):
    """A variant with its price in the shop's own currency, as people write it."""

    price = forms.CharField(
        required=False, max_length=20, widget=UnfoldAdminTextInputWidget
    )
    compare_at_price = forms.CharField(
        required=False, max_length=20, widget=UnfoldAdminTextInputWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        currency = settings.SHOP_CURRENCY
        self.fields["price"].label = f"Price in {currency}"
        self.fields["compare_at_price"].label = f"Before in {currency}"
        # Prefetched by the page, so the prices of all its rows cost one query.
        prices = [] if is_new(self) else self.instance.prices.all()
        rows = (row for row in prices if row.currency == currency)
        self.row: Price | None = next(rows, None)
        for name, column in PRICES.items():
            amount = getattr(self.row, column, None)
            if amount is not None:
                self.initial[name] = str(Money(amount, currency).as_decimal())

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        for name in PRICES:
            given[name] = self._money(name, given.get(name))
        if given["compare_at_price"] and not given["price"]:
            self.add_error("price", "A price to compare with needs a price.")
        return given

    def _money(self, name: str, text: str | None) -> Money | None:
        if not text:
            return None
        try:
            money = parse_money(text, settings.SHOP_CURRENCY)
        except DomainError as error:
            self.add_error(name, error.detail)
            return None
        if money.amount < 0:
            self.add_error(name, "A price can't be negative.")
        return money


def save_variant(
    form: Any, *, product_id: UUID, actor_id: UUID | None
) -> Variant | None:
    """Add or change the variant of a form; returns what was added."""
    changes = form.changes(COLUMNS)
    if is_new(form) or "option_values" in form.changed_data:
        values = form.cleaned_data["option_values"]
        changes["options"] = options_of(product_id, values)
    if is_new(form):
        return services.add_variant(product_id, fields=changes, actor_id=actor_id)
    if changes:
        services.change_variant(
            form.instance.pk, version=form.version, changes=changes, actor_id=actor_id
        )
    return None


def save_price(
    variant_id: UUID,
    row: Price | None,
    prices: Mapping[str, Money | None],
    *,
    currency: str,
    actor_id: UUID | None,
) -> None:
    """Make the variant's price in a currency what was typed; nothing typed takes it away."""
    if row is None:
        if prices["price"]:
            services.add_price(variant_id, fields=prices, actor_id=actor_id)
    elif prices["price"]:
        services.change_price(
            variant_id, currency, version=row.version, changes=prices, actor_id=actor_id
        )
    else:
        services.delete_price(
            variant_id, currency, version=row.version, actor_id=actor_id
        )


class PriceForm(MoneyForm, VersionedForm):
    amounts = ("amount", "compare_at_amount")

    def money(self) -> dict[str, Money | None]:
        given = self.cleaned_data
        currency = given["currency"]
        return {
            name: None if given[column] is None else Money(given[column], currency)
            for name, column in PRICES.items()
        }


class PriceInline(TabularInline):
    model = Price
    form = PriceForm
    fields = ("currency", "amount", "compare_at_amount", "seen_version")
    ordering = ("currency",)

    def get_readonly_fields(self, *_: Any) -> Any:
        return ()


@admin.register(Variant)
class VariantAdmin(CatalogAdmin):
    form = VariantForm
    list_display = ("label", "product", "sku", "price", "in_stock")
    list_filter = ("in_stock",)
    list_select_related = ("product",)
    search_fields = ("sku", "external_sku", "barcode", "product__title")
    search_help_text = "SKU, barcode or product"
    ordering = ("-id",)
    readonly_fields = ("product", "in_stock", "external_sku")
    fields = (
        ("product", "in_stock"),
        ("sku", "barcode"),
        "option_values",
        ("position", "weight_grams"),
        "image",
        "external_sku",
        "seen_version",
    )
    inlines = (PriceInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Variant]:
        variants: QuerySet[Variant] = super().get_queryset(request)
        return variants.prefetch_related("prices")

    @admin.display(description="Variant")
    def label(self, variant: Variant) -> str:
        return variant.title

    @admin.display(description="Prices")
    def price(self, variant: Variant) -> str:
        rows = sorted(variant.prices.all(), key=lambda row: row.currency)
        return ", ".join(money_text(row.amount, row.currency) for row in rows) or "-"

    def has_add_permission(self, *_: Any) -> bool:
        # A variant is made on its product's page, where its options are.
        return False

    def get_form(
        self,
        request: HttpRequest,
        obj: Variant | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 -- Django's signature
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None and "image" in form.base_fields:
            images = Image.objects.filter(product=obj.product_id).order_by("position")
            choice = cast("forms.ModelChoiceField[Image]", form.base_fields["image"])
            choice.queryset = images
        return form

    def save_model(
        self,
        request: HttpRequest,
        obj: Variant,
        form: Any,
        change: bool,  # noqa: ARG002, FBT001 -- Django's signature
    ) -> None:
        save_variant(form, product_id=obj.product_id, actor_id=request.user.pk)

    def save_formset(
        self,
        request: HttpRequest,
        form: Any,
        formset: Any,
        change: bool,  # noqa: ARG002, FBT001 -- Django's signature
    ) -> None:
        variant_id, actor_id = form.instance.pk, request.user.pk
        for row in edited(formset):
            before = None if is_new(row) else Price.objects.get(pk=row.instance.pk)
            if before is not None and before.currency != row.cleaned_data["currency"]:
                # Another currency is another price.
                services.delete_price(
                    variant_id, before.currency, version=row.version, actor_id=actor_id
                )
                before = None
            elif before is not None:
                before.version = row.version
            save_price(
                variant_id,
                before,
                row.money(),
                currency=row.cleaned_data["currency"],
                actor_id=actor_id,
            )
        for price in formset.deleted_objects:
            services.delete_price(
                variant_id, price.currency, version=price.version, actor_id=actor_id
            )

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        services.delete_variant(row.pk, version=row.version, actor_id=request.user.pk)
