from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.addresses import GivenPostalAddressSerializer, PostalAddressSerializer
from core.money import Money
from core.serializers import (
    CurrencyField,
    MailboxField,
    MoneyField,
    StrictSerializer,
)
from orders.models import Order, OrderLine, Payment
from orders.selectors import (
    OrderDetail,
    PricedCart,
    PricedLine,
    Problem,
    QuotedShipping,
    Totals,
    access_token,
    order_totals,
)

# The shop's own limit is a setting and answers quantity_too_high; this one keeps
# numbers inside what the database can add up.
MAX_QUANTITY = 1_000_000
MAX_ITEMS = 200


class AddressSerializer(PostalAddressSerializer):
    """Where an order goes, or its bill."""


class GivenAddressSerializer(GivenPostalAddressSerializer):
    """The same, as a buyer gives it."""


class AddCartItemSerializer(StrictSerializer):
    variant_id = serializers.UUIDField()
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, default=1)


class ChangeCartItemSerializer(StrictSerializer):
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)


class OpenCartSerializer(StrictSerializer):
    currency = CurrencyField(required=False)
    items = serializers.ListField(
        child=AddCartItemSerializer(), required=False, max_length=MAX_ITEMS
    )

    def validate_items(self, items: list[dict[str, Any]]) -> dict[UUID, int]:
        quantities: dict[UUID, int] = {}
        for line in items:
            variant_id = line["variant_id"]
            quantities[variant_id] = quantities.get(variant_id, 0) + line["quantity"]
        return quantities


class ChangeCartSerializer(StrictSerializer):
    email = MailboxField(allow_blank=True, required=False)
    shipping_address = GivenAddressSerializer(allow_null=True, required=False)
    billing_address = GivenAddressSerializer(
        allow_null=True, required=False, help_text="Null: the same as for shipping."
    )
    shipping_option_id = serializers.UUIDField(allow_null=True, required=False)
    note = serializers.CharField(max_length=2000, allow_blank=True, required=False)


class LineThumbnailSerializer(serializers.Serializer[Any]):
    url = serializers.CharField()
    alt = serializers.CharField()
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)


class CartVariantSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sku = serializers.CharField()
    title = serializers.CharField()
    product_title = serializers.CharField()
    product_slug = serializers.CharField()
    thumbnail = LineThumbnailSerializer(allow_null=True)


class CartItemSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    variant_id = serializers.UUIDField()
    variant = CartVariantSerializer(
        allow_null=True, help_text="Null once the variant can't be bought any more."
    )
    quantity = serializers.IntegerField()
    unit_price = MoneyField(allow_null=True)
    total = MoneyField(allow_null=True)
    available = serializers.IntegerField(
        help_text="Units that this cart could have at this moment."
    )


class ShippingOptionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    code = serializers.CharField()
    name = serializers.CharField()
    price = MoneyField()


class TotalsSerializer(serializers.Serializer[Any]):
    subtotal = MoneyField()
    discount = MoneyField()
    shipping = MoneyField()
    tax = MoneyField(help_text="To be added. Prices include tax, so it is zero.")
    total = MoneyField()


class CartProblemSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    item_id = serializers.UUIDField(required=False)


class PaymentChoiceSerializer(StrictSerializer):
    """The context's ``offered`` are the providers to choose from, by code."""

    provider = serializers.CharField(max_length=32)
    method = serializers.CharField(max_length=64)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        provider = self.context["offered"].get(attrs["provider"])
        if provider is None:
            raise serializers.ValidationError(
                {"provider": "The shop doesn't offer this provider."},
                code="not_offered",
            )
        if attrs["method"] not in provider.methods:
            raise serializers.ValidationError(
                {"method": "The provider doesn't offer this method."},
                code="not_offered",
            )
        return attrs


class CheckOutSerializer(StrictSerializer):
    payment = PaymentChoiceSerializer()
    expected_total = MoneyField(
        required=False, help_text="What the buyer agreed to; otherwise price_changed."
    )


class CancelOrderSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True)


class OrderItemSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    variant_id = serializers.UUIDField()
    sku = serializers.CharField()
    title = serializers.CharField()
    product_title = serializers.CharField()
    product_slug = serializers.CharField()
    thumbnail_url = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyField()
    total = MoneyField()


class OrderAddressesSerializer(serializers.Serializer[Any]):
    shipping = AddressSerializer()
    billing = AddressSerializer()


class OrderShippingSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()


class PaymentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    provider = serializers.CharField()
    method = serializers.CharField()
    status = serializers.ChoiceField(choices=Payment.Status.choices)
    amount = MoneyField()
    failure_code = serializers.CharField()
    created_at = serializers.DateTimeField()


class OrderSerializer(serializers.Serializer[Any]):
    """An OrderDetail as the API shows it; see CartSerializer for the manner."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=Order.Status.choices)
    payment_status = serializers.ChoiceField(choices=Order.PaymentStatus.choices)
    fulfillment_status = serializers.ChoiceField(
        choices=Order.FulfillmentStatus.choices
    )
    currency = serializers.CharField()
    items = OrderItemSerializer(many=True)
    totals = TotalsSerializer()
    email = serializers.CharField()
    addresses = OrderAddressesSerializer()
    shipping_option = OrderShippingSerializer()
    note = serializers.CharField()
    shipments = serializers.ListField(child=serializers.DictField())
    payments = PaymentSerializer(many=True)
    refunds = serializers.ListField(child=serializers.DictField())
    placed_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    canceled_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()

    def to_representation(self, instance: OrderDetail) -> dict[str, Any]:
        order = instance.order
        return {
            "id": order.pk,
            "number": order.number,
            "status": order.status,
            "payment_status": order.payment_status,
            "fulfillment_status": order.fulfillment_status,
            "currency": order.currency,
            "items": [_order_item(line, order) for line in instance.lines],
            "totals": totals_shape(order_totals(order)),
            "email": order.email,
            "addresses": {
                "shipping": order.shipping_address,
                "billing": order.billing_address,
            },
            "shipping_option": {
                "code": order.shipping_option_code,
                "name": order.shipping_option_name,
            },
            "note": order.note,
            "shipments": [],
            "payments": [_payment(payment) for payment in instance.payments],
            "refunds": [],
            "placed_at": instant(order.placed_at),
            "paid_at": instant(order.paid_at),
            "canceled_at": instant(order.canceled_at),
            "version": order.version,
        }


class PlacedOrderSerializer(OrderSerializer):
    access_token = serializers.CharField(
        required=False,
        help_text="To a guest, once: what X-Order-Token takes. Keep it.",
    )

    def to_representation(self, instance: OrderDetail) -> dict[str, Any]:
        shape = super().to_representation(instance)
        if instance.order.user_id is None:
            shape["access_token"] = access_token(instance.order.pk)
        return shape


class TimelineEntrySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    field = serializers.CharField(
        help_text="status, payment_status, fulfillment_status, or note."
    )
    from_state = serializers.CharField()
    to_state = serializers.CharField()
    message = serializers.CharField()
    created_at = serializers.DateTimeField()


def _order_item(line: OrderLine, order: Order) -> dict[str, Any]:
    return {
        "id": line.pk,
        "variant_id": line.variant_id,
        "sku": line.sku,
        "title": line.title,
        "product_title": line.product_title,
        "product_slug": line.product_slug,
        "thumbnail_url": line.thumbnail_url,
        "quantity": line.quantity,
        "unit_price": {"amount": line.unit_amount, "currency": order.currency},
        "total": {"amount": line.total_amount, "currency": order.currency},
    }


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.pk,
        "provider": payment.provider,
        "method": payment.method,
        "status": payment.status,
        "amount": {"amount": payment.amount, "currency": payment.currency},
        "failure_code": payment.failure_code,
        "created_at": instant(payment.created_at),
    }


class CartSerializer(serializers.Serializer[Any]):
    """A PricedCart as the API shows it.

    The fields describe the shape; ``to_representation`` fills it by hand, since a cart
    is answered to every click of a buyer. A test holds the two together.
    """

    id = serializers.UUIDField()
    currency = serializers.CharField()
    email = serializers.CharField()
    items = CartItemSerializer(many=True)
    shipping_address = AddressSerializer(allow_null=True)
    billing_address = AddressSerializer(allow_null=True)
    shipping_option = ShippingOptionSerializer(allow_null=True)
    note = serializers.CharField()
    vouchers = serializers.ListField(child=serializers.CharField())
    totals = TotalsSerializer()
    problems = CartProblemSerializer(many=True)
    reserved_until = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: PricedCart) -> dict[str, Any]:
        cart = instance.cart
        return {
            "id": cart.pk,
            "currency": cart.currency,
            "email": cart.email,
            "items": [_line(line) for line in instance.lines],
            "shipping_address": cart.shipping_address,
            "billing_address": cart.billing_address,
            "shipping_option": _shipping(instance.shipping_option),
            "note": cart.note,
            "vouchers": [],
            "totals": totals_shape(instance.totals),
            "problems": [_problem(problem) for problem in instance.problems],
            "reserved_until": instant(instance.reserved_until),
            "version": cart.version,
            "created_at": instant(cart.created_at),
        }


def _line(line: PricedLine) -> dict[str, Any]:
    variant = line.variant
    return {
        "id": line.id,
        "variant_id": line.variant_id,
        "variant": variant
        and {
            "id": variant.id,
            "sku": variant.sku,
            "title": variant.title,
            "product_title": variant.product_title,
            "product_slug": variant.product_slug,
            "thumbnail": variant.thumbnail,
        },
        "quantity": line.quantity,
        "unit_price": money(line.unit_price),
        "total": money(line.total),
        "available": max(0, line.available),
    }


def _shipping(option: QuotedShipping | None) -> dict[str, Any] | None:
    if option is None:
        return None
    return {
        "id": option.id,
        "code": option.code,
        "name": option.name,
        "price": money(option.price),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    shape: dict[str, Any] = {"code": problem.code, "detail": problem.detail}
    if problem.item_id is not None:
        shape["item_id"] = problem.item_id
    return shape


def totals_shape(totals: Totals) -> dict[str, Any]:
    return {
        "subtotal": money(totals.subtotal),
        "discount": money(totals.discount),
        "shipping": money(totals.shipping),
        "tax": money(totals.tax),
        "total": money(totals.total),
    }


def money(value: Money | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"amount": value.amount, "currency": value.currency}


def instant(value: datetime | None) -> str | None:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if value else None
