from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection

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
