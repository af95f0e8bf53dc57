"""The only code that moves an order's three states, and a payment's one."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from core.ids import uuid7
from core.prepared import prepared_cursor
from orders.exceptions import OrderTransitionError
from orders.models import Order, Payment, PaymentEvent

TRANSITIONS: Mapping[str, Mapping[Any, set[Any]]] = {
    "status": Order.STATUS_TRANSITIONS,
    "payment_status": Order.PAYMENT_TRANSITIONS,
    "fulfillment_status": Order.FULFILLMENT_TRANSITIONS,
}

# One statement, so that no state moves without its line in the timeline.
MOVE_ORDER = """
WITH moved AS (
    UPDATE orders_order SET {field} = %(to)s, version = version + 1 {stamps}
    WHERE id = %(order_id)s AND {field} = %(current)s
    RETURNING id
)
INSERT INTO orders_timelineentry
    (id, order_id, field, from_state, to_state, message, actor_id, created_at)
SELECT %(entry_id)s, id, %(name)s, %(current)s, %(to)s, %(message)s, %(actor_id)s::uuid, %(now)s
FROM moved
"""

MOVE_PAYMENT = """
WITH moved AS (
    UPDATE orders_payment
    SET status = %(to)s, provider_reference = %(reference)s,
        failure_code = %(failure_code)s, settled_at = %(now)s,
        next_check_at = %(next_check_at)s,
        reversal_requested_at = %(reversal_requested_at)s
    WHERE id = %(payment_id)s AND status = %(current)s
    RETURNING id, amount, currency
)
INSERT INTO orders_paymentevent
    (id, payment_id, kind, amount, currency, provider_reference, created_at)
SELECT event.id, moved.id, event.kind, moved.amount, moved.currency,
       %(event_reference)s, %(now)s
FROM moved, unnest(%(event_ids)s::uuid[], %(kinds)s::text[]) AS event(id, kind)
"""


def move_order(
    order: Order,
    field: str,
    to: str,
    *,
    now: datetime,
    message: str = "",
    actor_id: UUID | None = None,
    stamp: str | None = None,
) -> None:
    """Move one of the states and write the timeline, if the order still is as loaded.

    :raises OrderTransitionError: if the states' graph has no such edge, or another
        transaction was faster.
    """
    current = getattr(order, field)
    if to not in TRANSITIONS[field][current]:
        raise OrderTransitionError(field=field, current=str(current), wanted=str(to))
    statement = sql.SQL(MOVE_ORDER).format(
        field=sql.Identifier(field),
        stamps=sql.SQL(", {} = %(now)s").format(sql.Identifier(stamp))
        if stamp
        else sql.SQL(""),
    )
    parameters: dict[str, Any] = {
        "to": str(to),
        "current": str(current),
        "order_id": order.pk,
        "entry_id": uuid7(),
        "name": field,
        "message": message,
        "actor_id": actor_id,
        "now": now,
    }
    with prepared_cursor() as cursor:
        cursor.execute(statement, parameters)
        if cursor.rowcount == 0:
            raise OrderTransitionError(
                field=field, current=str(current), wanted=str(to)
            )
    setattr(order, field, to)
    order.version += 1
    if stamp:
        setattr(order, stamp, now)


def move_payment(
    payment: Payment,
    to: Payment.Status,
    *,
    events: Iterable[PaymentEvent.Kind],
    now: datetime,
    event_reference: str | None = None,
    next_check_at: datetime | None = None,
) -> bool:
    """Move the payment and write down what the provider said, if it still is as loaded.

    Fields set on ``payment`` before (reference, failure code, reversal) are stored with
    it. Answers whether it was we who moved it.
    """
    if to not in Payment.TRANSITIONS[Payment.Status(payment.status)]:
        return False
    kinds = [kind.value for kind in events]
    parameters: dict[str, Any] = {
        "to": to.value,
        "current": str(payment.status),
        "payment_id": payment.pk,
        "reference": payment.provider_reference,
        "failure_code": payment.failure_code,
        "reversal_requested_at": payment.reversal_requested_at,
        "next_check_at": next_check_at,
        "event_reference": event_reference or payment.provider_reference,
        "event_ids": [uuid7() for _ in kinds],
        "kinds": kinds,
        "now": now,
    }
    with prepared_cursor() as cursor:
        cursor.execute(MOVE_PAYMENT, parameters)
        is_moved = bool(cursor.rowcount)
    if is_moved:
        payment.status, payment.settled_at = to, now
        payment.next_check_at = next_check_at
    return is_moved
