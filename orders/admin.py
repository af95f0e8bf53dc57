from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from core.administration import (
    ActorMixin,
    ModelAdmin,
    MoneyForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    TabularInline,
    money_text,
    state_column,
)
from core.countries import COUNTRIES
from core.money import known_locale
from orders import services
from orders.models import (
    Cart,
    CartItem,
    Order,
    OrderLine,
    Payment,
    PaymentEvent,
    ShippingOption,
    ShippingRate,
    TimelineEntry,
)
from orders.selectors import Viewer

ADDRESS_MEMBERS = (
    "full_name",
    "company",
    "line1",
    "line2",
    "town",
    "region",
    "country",
    "phone",
)


def address_text(address: Mapping[str, str] | None) -> SafeString | str:
    """Write an address in lines; each part is escaped."""
    if not address:
        return "-"
    town = f"{address.get('postal_code', '')} {address.get('city', '')}".strip()
    code = address.get("country", "")
    country = known_locale("en").territories.get(code, code)
    members = {**address, "town": town, "country": country}
    parts = [members.get(member) for member in ADDRESS_MEMBERS]
    return format_html_join("", "{}<br>", ((part,) for part in parts if part))


class OrderLineInline(ReadOnlyInline):
    model = OrderLine
    fields = ("product", "variant", "sku_text", "quantity", "unit", "total")
    readonly_fields = ("product", "variant", "sku_text", "unit", "total")
    verbose_name_plural = "lines"
    ordering = ("position",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderLine]:
        lines: QuerySet[OrderLine] = super().get_queryset(request)
        return lines.select_related("order")

    @admin.display(description="Product")
    def product(self, line: OrderLine) -> str:
        return line.product_title

    @admin.display(description="Variant")
    def variant(self, line: OrderLine) -> str:
        return line.title

    @admin.display(description="SKU")
    def sku_text(self, line: OrderLine) -> str:
        return line.sku

    @admin.display(description="Each")
    def unit(self, line: OrderLine) -> str:
        return money_text(line.unit_amount, line.order.currency)

    @admin.display(description="Total")
    def total(self, line: OrderLine) -> str:
        return money_text(line.total_amount, line.order.currency)


class PaymentInline(ReadOnlyInline):
    model = Payment
    fields = ("provider", "method", "state", "money", "failure_code", "created_at")
    readonly_fields = ("state", "money")
    ordering = ("generation",)
    state = state_column("status")

    @admin.display(description="Amount")
    def money(self, payment: Payment) -> str:
        return money_text(payment.amount, payment.currency)


class TimelineInline(ActorMixin, ReadOnlyInline):
    model = TimelineEntry
    fields = ("created_at", "field", "from_state", "to_state", "message", "actor")
    readonly_fields = ("actor",)
    ordering = ("id",)
    verbose_name_plural = "timeline"


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = (
        "number",
        "placed_at",
        "email",
        "total",
        "state",
        "payment_state",
        "fulfillment_state",
    )
    list_filter = ("status", "payment_status", "fulfillment_status", "placed_at")
    search_fields = ("=number", "email")
    search_help_text = "Number or address"
    ordering = ("-placed_at", "-id")
    actions = ("cancel",)
    inlines = (OrderLineInline, PaymentInline, TimelineInline)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("number", "placed_at"),
                    ("state", "payment_state", "fulfillment_state"),
                )
            },
        ),
        ("Buyer", {"fields": (("email", "user"), "note")}),
        ("Delivery", {"fields": (("shipped_to", "billed_to"), "shipping_option_name")}),
        (
            "Amounts",
            {"fields": (("subtotal", "discount", "shipping", "tax", "total"),)},
        ),
    )

    state = state_column("status")
    payment_state = state_column("payment_status")
    fulfillment_state = state_column("fulfillment_status")

    @admin.display(description="Total", ordering="total_amount")
    def total(self, order: Order) -> str:
        return money_text(order.total_amount, order.currency)

    @admin.display(description="Subtotal")
    def subtotal(self, order: Order) -> str:
        return money_text(order.subtotal_amount, order.currency)

    @admin.display(description="Discount")
    def discount(self, order: Order) -> str:
        return money_text(order.discount_amount, order.currency)

    @admin.display(description="Shipping")
    def shipping(self, order: Order) -> str:
        return money_text(order.shipping_amount, order.currency)

    @admin.display(description="Tax")
    def tax(self, order: Order) -> str:
        return money_text(order.tax_amount, order.currency)

    @admin.display(description="Shipping address")
    def shipped_to(self, order: Order) -> SafeString | str:
        return address_text(order.shipping_address)

    @admin.display(description="Billing address")
    def billed_to(self, order: Order) -> SafeString | str:
        return address_text(order.billing_address)

    @admin.action(description="Cancel and give the money back", permissions=["cancel"])
    def cancel(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        self.call_service(
            request,
            orders,
            lambda order: services.cancel_order(
                number=order.number,
                viewer=Viewer(is_staff=True),
                actor_id=request.user.pk,
                now=timezone.now(),
            ),
            done="Canceled",
        )

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.change_order")


class PaymentEventInline(ReadOnlyInline):
    model = PaymentEvent
    fields = ("created_at", "kind", "money", "provider_reference")
    readonly_fields = ("money",)
    ordering = ("id",)

    @admin.display(description="Amount")
    def money(self, event: PaymentEvent) -> str:
        return money_text(event.amount, event.currency)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "order",
        "provider",
        "method",
        "state",
        "money",
        "failure_code",
    )
    list_filter = ("status", "provider")
    list_select_related = ("order",)
    search_fields = ("=order__number", "=provider_reference")
    search_help_text = "Number of the order, or the provider's reference"
    ordering = ("-id",)
    inlines = (PaymentEventInline,)
    state = state_column("status")

    @admin.display(description="Amount", ordering="amount")
    def money(self, payment: Payment) -> str:
        return money_text(payment.amount, payment.currency)


class CartItemInline(ReadOnlyInline):
    model = CartItem
    fields = ("product", "variant", "quantity")
    readonly_fields = ("product",)
    ordering = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CartItem]:
        items: QuerySet[CartItem] = super().get_queryset(request)
        return items.select_related("variant__product")

    @admin.display(description="Product")
    def product(self, item: CartItem) -> str:
        return item.variant.product.title


@admin.register(Cart)
class CartAdmin(ReadOnlyAdmin):
    list_display = ("updated_at", "buyer", "stage", "currency", "item_count")
    list_filter = ("state", "currency")
    list_select_related = ("user",)
    search_fields = ("email", "user__email")
    ordering = ("-updated_at", "-id")
    inlines = (CartItemInline,)
    fields = (
        ("buyer", "stage", "currency"),
        ("shipped_to", "billed_to"),
        ("shipping_option", "note"),
        ("created_at", "updated_at"),
    )

    stage = state_column("state")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cart]:
        carts: QuerySet[Cart] = super().get_queryset(request)
        return carts.annotate(item_number=Count("items"))

    @admin.display(description="Buyer")
    def buyer(self, cart: Cart) -> str:
        return str(cart.user or cart.email or "Guest")

    @admin.display(description="Lines", ordering="item_number")
    def item_count(self, cart: Any) -> int:
        return int(cart.item_number)

    @admin.display(description="Shipping address")
    def shipped_to(self, cart: Cart) -> SafeString | str:
        return address_text(cart.shipping_address)

    @admin.display(description="Billing address")
    def billed_to(self, cart: Cart) -> SafeString | str:
        return address_text(cart.billing_address)


class CountriesField(forms.CharField):
    """Country codes between commas; none stands for every country."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        codes = [code.strip().upper() for code in str(value or "").split(",")]
        return list(dict.fromkeys(code for code in codes if code))

    def validate(self, value: Any) -> None:
        unknown = [code for code in value if code not in COUNTRIES]
        if unknown:
            raise forms.ValidationError(f"No country code: {', '.join(unknown)}.")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class ShippingOptionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    countries = CountriesField(
        required=False,
        max_length=1000,
        help_text="ISO 3166 codes such as DE, AT. Empty: everywhere.",
    )


class ShippingRateInline(TabularInline):
    model = ShippingRate
    form = MoneyForm
    fields = ("currency", "amount")
    ordering = ("currency",)


@admin.register(ShippingOption)
class ShippingOptionAdmin(ModelAdmin):
    form = ShippingOptionForm
    list_display = ("name", "code", "rates_text", "countries_text", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "code")
    ordering = ("position", "code")
    fields = ("name", "code", "countries", ("position", "is_active"))
    inlines = (ShippingRateInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ShippingOption]:
        options: QuerySet[ShippingOption] = super().get_queryset(request)
        return options.prefetch_related("rates")

    @admin.display(description="Rates")
    def rates_text(self, option: ShippingOption) -> str:
        rates = sorted(option.rates.all(), key=lambda rate: rate.currency)
        return (
            ", ".join(money_text(rate.amount, rate.currency) for rate in rates) or "-"
        )

    @admin.display(description="Countries")
    def countries_text(self, option: ShippingOption) -> str:
        return ", ".join(option.countries) or "Everywhere"
