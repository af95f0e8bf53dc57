from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import TruncDate

from core.prepared import prepared_cursor
from inventory.constants import SWEEP_DEADLINE
from inventory.models import Movement, Reservation, Stock

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
    with prepared_cursor() as cursor:
        cursor.execute(AVAILABLE, [now, list(variant_ids)])
        found = dict(cursor.fetchall())
    return {variant_id: found.get(variant_id, 0) for variant_id in variant_ids}


def stock_matching(
    *,
    sku: str | None = None,
    variant_id: UUID | None = None,
    warehouse: str | None = None,
    low: bool | None = None,
) -> QuerySet[Stock]:
    rows = Stock.objects.with_labels()
    if low is not None:
        rows = rows.low() if low else rows.exclude(pk__in=Stock.objects.low())
    return rows.filter(
        **_given(variant__sku=sku, variant_id=variant_id, warehouse__code=warehouse)
    )


def lowest_stock(*, limit: int) -> list[Stock]:
    """Return what runs out first: rows that are low, and those with nothing to sell."""
    rows = Stock.objects.filter(
        on_hand__lte=F("reserved") + F("low_stock_threshold"),
        warehouse__is_active=True,
    )
    rows = rows.select_related("variant__product", "warehouse")
    rows = rows.order_by(F("on_hand") - F("reserved"), "-updated_at", "pk")
    return list(rows[:limit])


def stock_outs_by_day(*, since: datetime) -> dict[date, int]:
    """Count the rows that went from something to nothing, each once a day."""
    left, change = _left("after"), _left("change")
    rows = (
        Movement.objects.filter(created_at__gte=since)
        .annotate(left=left, before=left - change, day=TruncDate("created_at"))
        .filter(left__lte=0, before__gt=0)
        .values_list("day")
        .annotate(number=Count("stock", distinct=True))
    )
    return dict(rows)


def _left(when: str) -> CombinedExpression:
    return F(f"on_hand_{when}") - F(f"reserved_{when}")


def movements_matching(**filters: str | UUID | None) -> QuerySet[Movement]:
    """Filter the ledger by what a line says, or by the stock row that it changed."""
    return Movement.objects.annotate(**OF_STOCK).filter(**_filters(filters))


def reservations_matching(**filters: str | UUID | None) -> QuerySet[Reservation]:
    return Reservation.objects.annotate(**OF_STOCK).filter(**_filters(filters))


OF_STOCK = {
    "variant_id": F("stock__variant_id"),
    "sku": F("stock__variant__sku"),
    "warehouse_code": F("stock__warehouse__code"),
}
LOOKUPS = {
    "sku": "stock__variant__sku",
    "variant_id": "stock__variant_id",
    "warehouse": "stock__warehouse__code",
}


def _filters(given: Mapping[str, str | UUID | None]) -> dict[str, str | UUID]:
    return _given(**{LOOKUPS.get(name, name): value for name, value in given.items()})


def _given(**values: str | UUID | None) -> dict[str, str | UUID]:
    return {name: value for name, value in values.items() if value is not None}


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
