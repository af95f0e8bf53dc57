"""An order as the mail templates read it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from core.money import Money

ADDRESS = {
    "full_name": "Anna Smith",
    "line1": "1 High Street",
    "city": "Bath",
    "postal_code": "BA1 1AA",
    "country": "GB",
}


class SampleTotals(NamedTuple):
    subtotal: Money = Money(5097, "EUR")
    discount: Money = Money(0, "EUR")
    shipping: Money = Money(490, "EUR")
    tax: Money = Money(0, "EUR")
    total: Money = Money(5587, "EUR")


class SampleLine(NamedTuple):
    title: str = "Field Notebook"
    variant_title: str = "Red / A5"
    sku: str = "NOTE-RED"
    quantity: int = 3
    unit_price: Money = Money(1699, "EUR")
    total: Money = Money(5097, "EUR")


@dataclass(frozen=True)
class SampleOrder:
    number: str = "SW-100001"
    email: str = "guest@example.com"
    placed_at: datetime = datetime(2026, 11, 21, 12, tzinfo=UTC)
    status_url: str = "http://localhost:8000/orders/SW-100001"
    shipping_option: str = "Standard"
    shipping_address: dict[str, Any] = field(default_factory=lambda: dict(ADDRESS))
    billing_address: dict[str, Any] = field(default_factory=lambda: dict(ADDRESS))
    totals: SampleTotals = field(default_factory=SampleTotals)
    lines: tuple[SampleLine, ...] = (SampleLine(),)
