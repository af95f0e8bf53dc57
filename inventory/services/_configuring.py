from dataclasses import replace
from datetime import datetime
from typing import TypedDict, Unpack
from uuid import UUID

from django.db import IntegrityError, transaction

from core.exceptions import NotFoundError
from inventory.exceptions import StockBelowReservedError, WarehouseCodeTakenError
from inventory.models import Stock, Warehouse
from inventory.services._ledger import announce, lock_stock


class StockSettings(TypedDict, total=False):
    low_stock_threshold: int
    backorder_limit: int


class WarehouseSettings(TypedDict, total=False):
    name: str
    priority: int
    is_active: bool


@transaction.atomic
def configure_stock(
    *, stock_id: UUID, now: datetime, **changes: Unpack[StockSettings]
) -> Stock:
    """Set when a row is low and how much may be sold beyond what is on hand.

    :raises StockBelowReservedError: if buyers hold more than the new limit allows.
    """
    try:
        stock = Stock.objects.with_labels().get(pk=stock_id)
    except Stock.DoesNotExist as error:
        raise NotFoundError from error
    before = lock_stock(variant_ids=[stock.variant_id], now=now)
    after = [replace(r, **changes) if r.id == stock_id else r for r in before]
    here = next(row for row in after if row.id == stock_id)
    if here.on_hand < here.minimum_on_hand:
        raise StockBelowReservedError(
            on_hand=here.on_hand, reserved=here.reserved, minimum=here.minimum_on_hand
        )
    Stock.objects.filter(pk=stock_id).update(**changes, updated_at=now)
    announce(before=before, after=after)
    return Stock.objects.with_labels().get(pk=stock_id)


def create_warehouse(*, code: str, **settings: Unpack[WarehouseSettings]) -> Warehouse:
    try:
        with transaction.atomic():
            return Warehouse.objects.create(code=code, **settings)
    except IntegrityError as error:
        raise WarehouseCodeTakenError from error


@transaction.atomic
def update_warehouse(
    *, warehouse_id: UUID, now: datetime, **changes: Unpack[WarehouseSettings]
) -> Warehouse:
    """Change a warehouse. What lies in an inactive one can't be sold."""
    here = Stock.objects.filter(warehouse_id=warehouse_id)
    before = (
        lock_stock(variant_ids=set(here.values_list("variant_id", flat=True)), now=now)
        if "is_active" in changes
        else []
    )
    try:
        warehouse = Warehouse.objects.select_for_update(no_key=True).get(
            pk=warehouse_id
        )
    except Warehouse.DoesNotExist as error:
        raise NotFoundError from error
    after = [
        replace(row, is_active=changes["is_active"])
        if row.warehouse_id == warehouse_id
        else row
        for row in before
    ]
    for name, value in changes.items():
        setattr(warehouse, name, value)
    warehouse.save(update_fields=list(changes))
    announce(before=before, after=after)
    return warehouse
