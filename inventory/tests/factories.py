from datetime import UTC, datetime, timedelta
from uuid import UUID

from catalog.tests.factories import make_variant
from core.ids import uuid7
from inventory import services
from inventory.models import Stock, Warehouse

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=15)


def make_warehouse(code="main", **fields):
    return Warehouse.objects.get_or_create(
        code=code, defaults={"name": code.title()} | fields
    )[0]


def make_stock(variant=None, *, on_hand=0, warehouse="main", priority=100, **fields):
    """Put units on a shelf the way staff do, so that the ledger adds up."""
    variant = variant or make_variant()
    place = make_warehouse(warehouse, priority=priority)
    stock = services.adjust_stock(
        variant_id=variant.id,
        warehouse_code=place.code,
        counted=on_hand,
        reason="Delivery",
        actor_id=None,
        now=NOW,
    )
    if fields:
        Stock.objects.filter(pk=stock.pk).update(**fields)
    return Stock.objects.select_related("variant", "warehouse").get(pk=stock.pk)


def reserve(quantities, *, reference=None, expires_at=SOON, now=NOW) -> UUID:
    """Hold units of stock rows' variants; returns the reference."""
    reference = reference or uuid7()
    services.reserve_stock(
        reference=reference,
        demand={stock.variant_id: units for stock, units in quantities.items()},
        expires_at=expires_at,
        now=now,
    )
    return reference
