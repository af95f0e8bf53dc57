"""The figures on the administration's first page, in a fixed number of queries."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.administration import money_text
from core.money import Money
from inventory import selectors as inventory_selectors
from orders import selectors as order_selectors
from orders.selectors import DailySales

DAYS = 30
LISTED = 8
TICKS = {"color": "#8b93a1", "maxTicksLimit": 6, "precision": 0, "maxRotation": 0}
CHART_OPTIONS = json.dumps(
    {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "plugins": {"legend": {"display": False}},
        "scales": {
            "x": {"grid": {"display": False}, "ticks": TICKS},
            "y": {"beginAtZero": True, "suggestedMax": 4, "ticks": TICKS},
        },
    }
)


@dataclass(frozen=True, slots=True)
class Figure:
    title: str
    value: str
    note: str


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the signed-in person may see of the last thirty days."""
    now = timezone.now()
    figures: list[Figure] = []
    charts: list[dict[str, str]] = []
    tables: list[dict[str, Any]] = []
    if request.user.has_perm("orders.view_order"):
        sales = order_selectors.daily_sales(since=_start(now, DAYS * 2))
        figures += _sales_figures(sales, now=now)
        charts += _sales_charts(sales, now=now)
        tables.append(_latest_orders())
    if request.user.has_perm("inventory.view_stock"):
        outs = inventory_selectors.stock_outs_by_day(since=_start(now, DAYS))
        figures.append(_stock_outs_figure(outs))
        charts.append(_stock_outs_chart(outs, now=now))
        tables.append(_lowest_stock())
    return context | {
        "title": "The last 30 days",
        "figures": figures,
        "charts": charts,
        "tables": tables,
    }


def _start(now: datetime, days: int) -> datetime:
    """Return the midnight from which ``days`` days, today among them, are counted."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days - 1)


def _days(now: datetime) -> list[date]:
    first = _start(now, DAYS).date()
    return [first + timedelta(days=n) for n in range(DAYS)]


def _sales_figures(sales: Sequence[DailySales], *, now: datetime) -> list[Figure]:
    first_day = _start(now, DAYS).date()
    recent = [row for row in sales if row.day >= first_day]
    earlier = [row for row in sales if row.day < first_day]
    count, amounts = _count(recent), _amounts(recent)
    currency = settings.SHOP_CURRENCY
    own = [row for row in recent if row.currency == currency]
    average = amounts[currency] // (_count(own) or 1)
    others = ", ".join(
        money_text(amounts[other], other) for other in sorted(set(amounts) - {currency})
    )
    return [
        Figure("Orders", str(count), _change(count, _count(earlier))),
        Figure(
            "Sales",
            money_text(amounts[currency], currency),
            f"and {others}"
            if others
            else _change(amounts[currency], _amounts(earlier)[currency]),
        ),
        Figure("Average order", money_text(average, currency), f"in {currency}"),
    ]


def _count(sales: Iterable[DailySales]) -> int:
    return sum(row.order_count for row in sales)


def _amounts(sales: Iterable[DailySales]) -> Counter[str]:
    amounts: Counter[str] = Counter()
    for row in sales:
        amounts[row.currency] += row.amount
    return amounts


def _change(now: int, before: int) -> str:
    if not before:
        return "none in the 30 days before"
    percent = round(100 * (now - before) / before)
    return f"{percent:+d} % against the 30 days before"


def _sales_charts(
    sales: Sequence[DailySales], *, now: datetime
) -> list[dict[str, str]]:
    currency = settings.SHOP_CURRENCY
    orders: Counter[date] = Counter()
    amounts: Counter[date] = Counter()
    for row in sales:
        orders[row.day] += row.order_count
        if row.currency == currency:
            amounts[row.day] += row.amount
    days = _days(now)
    sold = [float(Money(amounts[day], currency).as_decimal()) for day in days]
    return [
        _chart("Orders per day", "bar", days, [orders[day] for day in days]),
        _chart(f"Sales per day in {currency}", "line", days, sold),
    ]


def _stock_outs_figure(outs: dict[date, int]) -> Figure:
    return Figure("Stock-outs", str(sum(outs.values())), "times that an item ran out")


def _stock_outs_chart(outs: dict[date, int], *, now: datetime) -> dict[str, str]:
    days = _days(now)
    counts = [outs.get(day, 0) for day in days]
    return _chart("Stock-outs per day", "bar", days, counts)


def _chart(
    title: str, kind: str, days: Sequence[date], values: Sequence[float]
) -> dict[str, str]:
    dataset = {
        "label": title,
        "data": list(values),
        "backgroundColor": "var(--color-primary-500)",
        "borderColor": "var(--color-primary-500)",
        "borderWidth": 2 if kind == "line" else 0,
        "borderRadius": 3,
        "pointStyle": False,
    }
    labels = [f"{day.day} {day:%b}" for day in days]
    return {
        "title": title,
        "kind": kind,
        "value": json.dumps({"labels": labels, "datasets": [dataset]}),
        "options": CHART_OPTIONS,
    }


def _latest_orders() -> dict[str, Any]:
    rows = [
        [
            _link("orders_order", order.pk, order.number),
            f"{order.placed_at.day} {order.placed_at:%b, %H:%M}",
            order.email,
            order.get_payment_status_display(),
            money_text(order.total_amount, order.currency),
        ]
        for order in order_selectors.latest_orders(limit=LISTED)
    ]
    headers = ["Order", "Placed", "Buyer", "Payment", "Total"]
    return _table("Latest orders", "orders_order", headers, rows)


def _lowest_stock() -> dict[str, Any]:
    rows = [
        [
            _link("inventory_stock", stock.pk, stock.variant.product.title),
            str(stock.variant),
            stock.warehouse.name,
            stock.available,
            stock.low_stock_threshold,
        ]
        for stock in inventory_selectors.lowest_stock(limit=LISTED)
    ]
    headers = ["Product", "Variant", "Warehouse", "Available", "Low at"]
    return _table("Low stock", "inventory_stock", headers, rows)


def _table(
    title: str, page: str, headers: list[str], rows: list[list[Any]]
) -> dict[str, Any]:
    return {
        "title": title,
        "link": reverse(f"admin:{page}_changelist"),
        "table": {"headers": headers, "rows": rows},
    }


def _link(page: str, pk: Any, text: str) -> SafeString:
    address = reverse(f"admin:{page}_change", args=[pk])
    classes = "font-semibold text-primary-600 dark:text-primary-400"
    return format_html('<a href="{}" class="{}">{}</a>', address, classes, text)
