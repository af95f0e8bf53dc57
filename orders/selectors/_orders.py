from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.utils.crypto import constant_time_compare, salted_hmac

from core.money import Money
from orders.exceptions import OrderNotFoundError
from orders.models import Order, OrderLine, Payment, TimelineEntry
from orders.selectors._pricing import Totals

_TOKEN_PURPOSE = "orders.access"  # noqa: S105 -- a name, no secret


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks for an order: its owner, staff, or a guest with the order's token."""

    user_id: UUID | None = None
    is_staff: bool = False
    token: str = ""


@dataclass(frozen=True, slots=True)
class OrderDetail:
    order: Order
    lines: tuple[OrderLine, ...]
    payments: tuple[Payment, ...]


def access_token(order_id: UUID) -> str:
    """Make the token that lets a guest see this order.

    No model stores it; the kept answer to the checkout holds it until that expires.
    """
    return salted_hmac(_TOKEN_PURPOSE, str(order_id), algorithm="sha256").hexdigest()


def can_see(viewer: Viewer, order: Order) -> bool:
    if viewer.is_staff:
        return True
    if order.user_id is not None:
        return viewer.user_id == order.user_id
    return bool(viewer.token) and constant_time_compare(
        viewer.token, access_token(order.pk)
    )


def find_order(*, number: str, viewer: Viewer) -> Order:
    """Look an order up by its number.

    :raises OrderNotFoundError: also for an order that the viewer may not see.
    """
    order = Order.objects.filter(number=number).first()
    if order is None or not can_see(viewer, order):
        raise OrderNotFoundError
    return order


def get_order(*, number: str, viewer: Viewer) -> OrderDetail:
    order = find_order(number=number, viewer=viewer)
    return OrderDetail(
        order,
        tuple(order.lines.order_by("position")),
        tuple(order.payments.order_by("generation")),
    )


def orders_visible_to(viewer: Viewer) -> QuerySet[Order]:
    """Return the viewer's own orders, all of them for staff, ready to be shown."""
    orders = Order.objects.all()
    if not viewer.is_staff:
        orders = orders.filter(user=viewer.user_id)
    return orders.prefetch_related(
        Prefetch("lines", OrderLine.objects.order_by("position")),
        Prefetch("payments", Payment.objects.order_by("generation")),
    )


def detail_of(order: Order) -> OrderDetail:
    """Take what ``orders_visible_to`` has fetched along."""
    return OrderDetail(order, tuple(order.lines.all()), tuple(order.payments.all()))


def timeline_of(*, number: str, viewer: Viewer) -> list[TimelineEntry]:
    order = find_order(number=number, viewer=viewer)
    return list(order.timeline.order_by("id"))


def order_totals(order: Order) -> Totals:
    return Totals(
        subtotal=Money(order.subtotal_amount, order.currency),
        discount=Money(order.discount_amount, order.currency),
        shipping=Money(order.shipping_amount, order.currency),
        tax=Money(order.tax_amount, order.currency),
    )


def sold_quantities(order_id: UUID) -> dict[UUID, int]:
    sold: dict[UUID, int] = {}
    for line in OrderLine.objects.filter(order=order_id):
        sold[line.variant_id] = sold.get(line.variant_id, 0) + line.quantity
    return sold


@dataclass(frozen=True, slots=True)
class OrderSummaryLine:
    title: str
    variant_title: str
    sku: str
    quantity: int
    unit_price: Money
    total: Money
    thumbnail_url: str


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """What a message to the buyer may say of his order."""

    order_id: UUID
    number: str
    email: str
    user_id: UUID | None
    lines: tuple[OrderSummaryLine, ...]
    totals: Totals
    shipping_address: Mapping[str, Any]
    billing_address: Mapping[str, Any]
    shipping_option: str
    placed_at: datetime
    status: str
    payment_status: str
    status_url: str


def get_order_summary(order_id: UUID) -> OrderSummary | None:
    """Return what a template needs beyond the event; None once the order is gone."""
    order = Order.objects.prefetch_related("lines").filter(pk=order_id).first()
    if order is None:
        return None
    lines = sorted(order.lines.all(), key=lambda line: line.position)
    return OrderSummary(
        order_id=order.pk,
        number=order.number,
        email=order.email,
        user_id=order.user_id,
        lines=tuple(_summary_line(line, order.currency) for line in lines),
        totals=order_totals(order),
        shipping_address=order.shipping_address,
        billing_address=order.billing_address,
        shipping_option=order.shipping_option_name,
        placed_at=order.placed_at,
        status=order.status,
        payment_status=order.payment_status,
        status_url=_status_url(order),
    )


def _summary_line(line: OrderLine, currency: str) -> OrderSummaryLine:
    return OrderSummaryLine(
        title=line.product_title,
        variant_title=line.title,
        sku=line.sku,
        quantity=line.quantity,
        unit_price=Money(line.unit_amount, currency),
        total=Money(line.total_amount, currency),
        thumbnail_url=line.thumbnail_url,
    )


def _status_url(order: Order) -> str:
    """Point to the shop's page; a guest's link carries what lets him in."""
    url = f"{settings.SHOP_URL.rstrip('/')}/orders/{order.number}"
    return url if order.user_id else f"{url}?token={access_token(order.pk)}"
