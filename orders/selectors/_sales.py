from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, Sum
from django.db.models.functions import TruncDate

from orders.models import Order

# Somebody pays for these, or has; what was given back in full was still sold.
SOLD = (
    Order.PaymentStatus.AUTHORIZED,
    Order.PaymentStatus.PAID,
    Order.PaymentStatus.PARTIALLY_REFUNDED,
    Order.PaymentStatus.REFUNDED,
)


@dataclass(frozen=True, slots=True)
class DailySales:
    day: date
    currency: str
    order_count: int
    amount: int


def daily_sales(*, since: datetime) -> list[DailySales]:
    """Sum up by day and currency what was sold and not called off."""
    orders = Order.objects.filter(placed_at__gte=since, payment_status__in=SOLD)
    rows = (
        orders.exclude(status=Order.Status.CANCELED)
        .annotate(day=TruncDate("placed_at"))
        .values_list("day", "currency")
        .annotate(order_count=Count("pk"), amount=Sum("total_amount"))
        .order_by("day", "currency")
    )
    return [DailySales(*row) for row in rows]


def latest_orders(*, limit: int) -> list[Order]:
    return list(Order.objects.order_by("-placed_at", "-id")[:limit])
