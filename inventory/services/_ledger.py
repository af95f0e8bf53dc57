"""The only code that changes stock figures: locked rows in, ledger lines out.

Rules of locking: docs/locking.md.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from catalog import services as catalog_services
from core.events import Event, publish_all
from core.ids import uuid7
from core.locking import lock_wait
from core.prepared import prepared_cursor
from inventory.events import StockBack, StockLow, StockOut
from inventory.models import Movement

# Leaves the key alone, so that foreign keys to the row can be checked meanwhile.
LOCK = "FOR NO KEY UPDATE OF stock"
# This condition alone keeps stock from being oversold; the lock before it only lets
# a refusal explain itself and keeps several rows in one order.
WITHIN_LIMITS = """
    stock.on_hand + change.on_hand >= 0
    AND stock.reserved + change.reserved >= 0
    AND stock.on_hand + change.on_hand + stock.backorder_limit
        - stock.reserved >= change.reserved
"""

LOCK_ROWS = """
SELECT stock.id, stock.variant_id, stock.warehouse_id, stock.on_hand, stock.reserved,
       stock.low_stock_threshold, stock.backorder_limit,
       warehouse.priority, warehouse.is_active,
       EXISTS (
           SELECT FROM inventory_reservation AS held
           WHERE held.stock_id = stock.id AND held.state = 'active'
             AND held.expires_at <= %s
       )
FROM inventory_stock AS stock
JOIN inventory_warehouse AS warehouse ON warehouse.id = stock.warehouse_id
WHERE {condition}
ORDER BY stock.id
"""
OF_VARIANTS = "stock.variant_id = ANY(%s)"
OF_REFERENCES = """
stock.variant_id IN (
    SELECT holding.variant_id
    FROM inventory_reservation AS held
    JOIN inventory_stock AS holding ON holding.id = held.stock_id
    WHERE held.reference = ANY(%s)
)
"""

RECORD = """
WITH entry AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(entries)s::jsonb) AS entry(
        id uuid, stock_id uuid, kind text, on_hand int, reserved int, reference uuid,
        position int
    )
), change AS (
    SELECT stock_id, sum(on_hand)::int AS on_hand, sum(reserved)::int AS reserved
    FROM entry GROUP BY stock_id
), changed AS (
    UPDATE inventory_stock AS stock
    SET on_hand = stock.on_hand + change.on_hand,
        reserved = stock.reserved + change.reserved,
        updated_at = %(now)s
    FROM change
    WHERE stock.id = change.stock_id AND {condition}
    RETURNING stock.id, stock.on_hand, stock.reserved
), balance AS (
    SELECT entry.*,
           sum(on_hand) OVER later - on_hand AS later_on_hand,
           sum(reserved) OVER later - reserved AS later_reserved
    FROM entry
    WINDOW later AS (PARTITION BY stock_id ORDER BY position DESC)
), ledger AS (
    INSERT INTO inventory_movement (
        id, stock_id, kind, on_hand_change, reserved_change, on_hand_after,
        reserved_after, reason, reference, actor_id, created_at
    )
    SELECT balance.id, changed.id, balance.kind, balance.on_hand, balance.reserved,
           changed.on_hand - later_on_hand, changed.reserved - later_reserved,
           %(reason)s, balance.reference, %(actor_id)s::uuid, %(now)s
    FROM balance JOIN changed ON changed.id = balance.stock_id
), hold AS (
    INSERT INTO inventory_reservation (
        id, stock_id, reference, quantity, state, expires_at, created_at
    )
    SELECT entry.id, changed.id, reference, entry.reserved, 'active',
           %(hold_until)s::timestamptz, %(now)s
    FROM entry JOIN changed ON changed.id = entry.stock_id
    WHERE entry.kind = 'reserved'
)
SELECT id, on_hand, reserved FROM changed
"""


@dataclass(frozen=True, slots=True)
class LockedStock:
    """A stock row as it stood when we locked it."""

    id: UUID
    variant_id: UUID
    warehouse_id: UUID
    on_hand: int
    reserved: int
    low_stock_threshold: int
    backorder_limit: int
    priority: int
    is_active: bool
    has_expired_holds: bool = False

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    @property
    def sellable(self) -> int:
        return self.available + self.backorder_limit if self.is_active else 0

    @property
    def minimum_on_hand(self) -> int:
        return max(0, self.reserved - self.backorder_limit)

    @property
    def is_low(self) -> bool:
        return self.low_stock_threshold > 0 and (
            self.available <= self.low_stock_threshold
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A line to write into the ledger."""

    stock_id: UUID
    kind: Movement.Kind
    on_hand_change: int = 0
    reserved_change: int = 0
    reference: UUID | None = None


class StockOverdrawnError(Exception):
    """The conditional UPDATE refused a row. Nothing may be committed after it."""


def lock_stock(*, variant_ids: Collection[UUID], now: datetime) -> list[LockedStock]:
    """Lock every stock row of the variants, in primary-key order.

    All warehouses, since whether a variant is in stock depends on their sum.
    """
    return _lock(OF_VARIANTS, list(variant_ids), now=now)


def lock_stock_of(references: Collection[UUID], *, now: datetime) -> list[LockedStock]:
    """Lock likewise for the variants that any of the references ever held."""
    return _lock(OF_REFERENCES, list(references), now=now)


def _lock(condition: str, given: list[UUID], *, now: datetime) -> list[LockedStock]:
    with lock_wait(), prepared_cursor() as cursor:
        cursor.execute(LOCK_ROWS.format(condition=condition) + LOCK, [now, given])
        return [LockedStock(*row) for row in cursor.fetchall()]


def record(
    entries: Sequence[Entry],
    *,
    rows: Iterable[LockedStock],
    now: datetime,
    reason: str = "",
    actor_id: UUID | None = None,
    new_variant_ids: Collection[UUID] = (),
    hold_until: datetime | None = None,
) -> list[LockedStock]:
    """Change stock by the entries, write them down and announce what was crossed.

    An entry that reserves makes its reservation too, active until ``hold_until``.
    ``rows`` are all locked rows of the variants; they are returned as they are now.

    :raises StockOverdrawnError: if a row can't bear its change.
    """
    if not entries:
        return list(rows)
    parameters: dict[str, Any] = {
        "entries": orjson.dumps(
            [
                {
                    "id": uuid7(),
                    "stock_id": entry.stock_id,
                    "kind": entry.kind,
                    "on_hand": entry.on_hand_change,
                    "reserved": entry.reserved_change,
                    "reference": entry.reference,
                    "position": position,
                }
                for position, entry in enumerate(entries)
            ]
        ).decode(),
        "reason": reason,
        "actor_id": actor_id,
        "hold_until": hold_until,
        "now": now,
    }
    with prepared_cursor() as cursor:
        cursor.execute(RECORD.format(condition=WITHIN_LIMITS), parameters)
        figures = {row[0]: row[1:] for row in cursor.fetchall()}
    if len(figures) != len({entry.stock_id for entry in entries}):
        raise StockOverdrawnError

    before = list(rows)
    after = [
        replace(row, on_hand=figures[row.id][0], reserved=figures[row.id][1])
        if row.id in figures
        else row
        for row in before
    ]
    announce(before=before, after=after, new_variant_ids=new_variant_ids)
    return after


def announce(
    *,
    before: Sequence[LockedStock],
    after: Sequence[LockedStock],
    new_variant_ids: Collection[UUID] = (),
) -> None:
    """Tell the catalogue and the outbox which variants crossed zero, which rows got low.

    Call it after the stock rows are locked: the catalogue's cards come later in the
    order of locks. A variant that never had stock before becomes available silently.
    """
    was, is_now = _sellable(before), _sellable(after)
    changes = {
        variant_id: units > 0
        for variant_id, units in is_now.items()
        if (units > 0) != (was[variant_id] > 0)
    }
    events: list[Event] = [
        StockLow(
            variant_id=new.variant_id,
            stock_id=new.id,
            available=new.available,
            low_stock_threshold=new.low_stock_threshold,
        )
        for old, new in zip(before, after, strict=True)
        if new.is_low and not old.is_low
    ]
    events += [
        (StockBack if is_available else StockOut)(variant_id=variant_id)
        for variant_id, is_available in changes.items()
        if variant_id not in new_variant_ids
    ]
    if changes:
        catalog_services.set_availability(changes=changes)
    publish_all(events)


def _sellable(rows: Iterable[LockedStock]) -> dict[UUID, int]:
    units: defaultdict[UUID, int] = defaultdict(int)
    for row in rows:
        units[row.variant_id] += row.sellable
    return units
