from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from inventory.constants import SWEEP_DEADLINE

AVAILABLE = """
SELECT stock.variant_id,
       sum(stock.on_hand + stock.backorder_limit - stock.reserved + (
           SELECT coalesce(sum(held.quantity), 0)
           FROM inventory_reservation AS held
           WHERE held.stock_id = stock.id AND held.state = 'active'
             AND held.expires_at <= %s
       ))::int
FROM inventory_stock AS stock
JOIN inventory_warehouse AS warehouse ON warehouse.id = stock.warehouse_id
WHERE stock.variant_id = ANY(%s) AND warehouse.is_active
GROUP BY stock.variant_id
"""


def available_quantities(
    *, variant_ids: Collection[UUID], now: datetime
) -> dict[UUID, int]:
    """Return what can be sold of each variant, backorders included.

    A hold past its time counts for nothing, swept or not.
    """
    with connection.cursor() as cursor:
        cursor.execute(AVAILABLE, [now, list(variant_ids)])
        found = dict(cursor.fetchall())
    return {variant_id: found.get(variant_id, 0) for variant_id in variant_ids}


@dataclass(frozen=True, slots=True)
class LedgerProblem:
    """A row that breaks an invariant, with the figures that show it."""

    invariant: str
    stock_id: UUID
    detail: str


# Each query returns the rows that break one invariant.
INVARIANTS = {
    "I1": """
        SELECT stock.id, format(
            'on hand %%s, reserved %%s; the ledger sums up to %%s and %%s',
            stock.on_hand, stock.reserved, ledger.on_hand, ledger.reserved)
        FROM inventory_stock AS stock
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(on_hand_change), 0) AS on_hand,
                   coalesce(sum(reserved_change), 0) AS reserved
            FROM inventory_movement WHERE stock_id = stock.id
        ) AS ledger
        WHERE (stock.on_hand, stock.reserved) <> (ledger.on_hand, ledger.reserved)
    """,
    "I2": """
        SELECT id, format('on hand %%s, reserved %%s, backorder limit %%s',
                          on_hand, reserved, backorder_limit)
        FROM inventory_stock
        WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand + backorder_limit
    """,
    "I3": """
        SELECT stock.id, format('reserved %%s; active reservations sum up to %%s',
                                stock.reserved, held.quantity)
        FROM inventory_stock AS stock
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(quantity), 0) AS quantity
            FROM inventory_reservation
            WHERE stock_id = stock.id AND state = 'active'
        ) AS held
        WHERE stock.reserved <> held.quantity
    """,
    "I10": """
        SELECT stock_id, format('reservation %%s should have expired at %%s',
                                id, expires_at)
        FROM inventory_reservation
        WHERE state = 'active' AND expires_at < %(sweep_deadline)s
    """,
}


def ledger_problems(*, now: datetime) -> list[LedgerProblem]:
    """Return every row that breaks I1, I2, I3 or I10; none in a shop that is right."""
    parameters = {"sweep_deadline": now - SWEEP_DEADLINE}
    with connection.cursor() as cursor:
        problems = []
        for invariant, query in INVARIANTS.items():
            cursor.execute(query, parameters)
            problems += [LedgerProblem(invariant, *row) for row in cursor.fetchall()]
    return problems
