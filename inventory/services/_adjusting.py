from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from catalog import selectors as catalog_selectors
from core.ids import uuid7
from inventory.constants import MAX_UNITS
from inventory.exceptions import (
    StockBelowReservedError,
    StockChangedError,
    StockTooHighError,
    UnknownVariantError,
    UnknownWarehouseError,
)
from inventory.models import Movement, Stock, Warehouse
from inventory.services._closing import ship_waiting
from inventory.services._ledger import Entry, LockedStock, lock_stock, record

# In one order, so that two counts of the same new variants cannot deadlock.
ADD_ROWS = """
INSERT INTO inventory_stock (
    id, variant_id, warehouse_id, on_hand, reserved, low_stock_threshold,
    backorder_limit, updated_at
)
SELECT added.id, added.variant_id, %(warehouse_id)s, 0, 0, 0, 0, %(now)s
FROM unnest(%(ids)s::uuid[], %(variant_ids)s::uuid[]) AS added(id, variant_id)
WHERE NOT EXISTS (
    SELECT FROM inventory_stock AS stock
    WHERE stock.variant_id = added.variant_id
      AND stock.warehouse_id = %(warehouse_id)s
)
ORDER BY added.variant_id
ON CONFLICT (variant_id, warehouse_id) DO NOTHING
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class _Shelves:
    """The locked rows of some variants, and those among them in one warehouse."""

    rows: list[LockedStock]
    here: dict[UUID, LockedStock]
    # Had no row in any warehouse before.
    new_variant_ids: set[UUID]


@transaction.atomic
def adjust_stock(
    *,
    variant_id: UUID | None = None,
    sku: str | None = None,
    warehouse_code: str,
    change: int | None = None,
    counted: int | None = None,
    reason: str,
    actor_id: UUID | None,
    expected_on_hand: int | None = None,
    now: datetime,
) -> Stock:
    """Add ``change`` units, or set what was ``counted``, and write down the difference.

    The variant is named by its id or its SKU.

    :raises StockChangedError: if there are not ``expected_on_hand`` units.
    :raises StockBelowReservedError: if fewer units would be left than buyers hold.
    """
    if (change is None) == (counted is None):
        raise TypeError("Give either change or counted.")
    if (variant_id is None) == (sku is None):
        raise TypeError("Give either variant_id or sku.")
    found_id = _find_variant(variant_id, sku)
    shelves = _lock_shelves(warehouse_code, [found_id], now=now)
    stock = shelves.here[found_id]
    if expected_on_hand is not None and stock.on_hand != expected_on_hand:
        raise StockChangedError(on_hand=stock.on_hand)

    difference = counted - stock.on_hand if counted is not None else change or 0
    _check_bounds(stock, stock.on_hand + difference)
    kind = Movement.Kind.ADJUSTED if counted is None else Movement.Kind.COUNTED
    entries = [Entry(stock.id, kind, on_hand_change=difference)] if difference else []
    entries += ship_waiting(shelves.rows, entries, now=now)
    record(
        entries,
        rows=shelves.rows,
        now=now,
        reason=reason,
        actor_id=actor_id,
        new_variant_ids=shelves.new_variant_ids,
    )
    return Stock.objects.with_labels().get(pk=stock.id)


@transaction.atomic
def set_counted_in_bulk(
    *,
    warehouse_code: str,
    quantities: Mapping[UUID, int],
    reason: str,
    actor_id: UUID | None,
    now: datetime,
) -> dict[UUID, int]:
    """Set what was counted of many variants, writing down the differences only.

    A count below what buyers hold is raised to that, so that nothing more is sold.

    :returns: the variants whose count was raised, with the figure that was set.
    """
    shelves = _lock_shelves(warehouse_code, quantities.keys(), now=now)
    raised: dict[UUID, int] = {}
    entries: list[Entry] = []
    for variant_id, stock in shelves.here.items():
        counted = max(quantities[variant_id], stock.minimum_on_hand)
        if counted > MAX_UNITS:
            raise StockTooHighError
        if counted != quantities[variant_id]:
            raised[variant_id] = counted
        if counted != stock.on_hand:
            change = counted - stock.on_hand
            kind = Movement.Kind.COUNTED
            entries.append(Entry(stock.id, kind, on_hand_change=change))
    entries += ship_waiting(shelves.rows, entries, now=now)
    record(
        entries,
        rows=shelves.rows,
        now=now,
        reason=reason,
        actor_id=actor_id,
        new_variant_ids=shelves.new_variant_ids,
    )
    return raised


def _find_variant(variant_id: UUID | None, sku: str | None) -> UUID:
    if sku is not None:
        variant_id = catalog_selectors.variant_ids_by_sku([sku]).get(sku)
    if variant_id is None or not catalog_selectors.variant_exists(variant_id):
        raise UnknownVariantError
    return variant_id


def _lock_shelves(
    warehouse_code: str, variant_ids: Collection[UUID], *, now: datetime
) -> _Shelves:
    try:
        warehouse = Warehouse.objects.get(code=warehouse_code)
    except Warehouse.DoesNotExist as error:
        raise UnknownWarehouseError from error
    added = _add_rows(warehouse, variant_ids, now=now)
    rows = lock_stock(variant_ids=variant_ids, now=now)
    known = {row.variant_id for row in rows if row.id not in added}
    return _Shelves(
        rows=rows,
        here={row.variant_id: row for row in rows if row.warehouse_id == warehouse.id},
        new_variant_ids={row.variant_id for row in rows} - known,
    )


def _add_rows(
    warehouse: Warehouse, variant_ids: Collection[UUID], *, now: datetime
) -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            ADD_ROWS,
            {
                "ids": [uuid7() for _ in variant_ids],
                "variant_ids": list(variant_ids),
                "warehouse_id": warehouse.id,
                "now": now,
            },
        )
        return {row[0] for row in cursor.fetchall()}


def _check_bounds(stock: LockedStock, on_hand: int) -> None:
    if on_hand > MAX_UNITS:
        raise StockTooHighError
    if on_hand < stock.minimum_on_hand:
        raise StockBelowReservedError(
            on_hand=stock.on_hand,
            reserved=stock.reserved,
            minimum=stock.minimum_on_hand,
        )
