"""What must hold of orders and their money, as questions that find where it doesn't."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection

from core.http_client import OutgoingCallError
from core.money import Money
from inventory import selectors as inventory_selectors
from orders.models import Order, OrderLine, Payment
from orders.payments.registry import offered_providers

# Time that the outbox, the sweeper and a reversal have before they are late.
OUTBOX_DEADLINE = timedelta(minutes=5)
SETTLING_DEADLINE = timedelta(seconds=60)
REVERSAL_DEADLINE = timedelta(minutes=15)
_BATCH = 1000

_EDGES = [
    (field, str(origin), str(to))
    for field, table in (
        ("status", Order.STATUS_TRANSITIONS),
        ("payment_status", Order.PAYMENT_TRANSITIONS),
        ("fulfillment_status", Order.FULFILLMENT_TRANSITIONS),
    )
    for origin, ends in table.items()
    for to in ends
] + [
    ("status", "", Order.Status.OPEN.value),
    ("payment_status", "", Order.PaymentStatus.PENDING.value),
    ("fulfillment_status", "", Order.FulfillmentStatus.UNFULFILLED.value),
]


@dataclass(frozen=True, slots=True)
class Violation:
    """A row that breaks an invariant, with the figures that show it."""

    invariant: str
    subject: str
    detail: str


# Each query returns the rows that break its invariant: what it is, and how.
QUERIES: Sequence[tuple[str, str]] = (
    (
        "I5",
        """
        SELECT 'payment ' || payment.idempotency_key, format(
            'of %%s: authorized %%s, captured %%s, refunded %%s, voided %%s',
            payment.amount, authorized, captured, refunded, voided)
        FROM orders_payment AS payment
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount) FILTER (WHERE kind = 'authorized'), 0)
                       AS authorized,
                   coalesce(sum(amount) FILTER (WHERE kind = 'captured'), 0)
                       AS captured,
                   coalesce(sum(amount) FILTER (WHERE kind = 'refunded'), 0)
                       AS refunded,
                   coalesce(sum(amount) FILTER (WHERE kind = 'voided'), 0) AS voided
            FROM orders_paymentevent WHERE payment_id = payment.id
        ) AS sums
        WHERE authorized > payment.amount OR captured > authorized
           OR refunded > captured OR voided > authorized - captured
        """,
    ),
    (
        "I5",
        """
        SELECT 'payment ' || payment.idempotency_key, format(
            '%%s %%s for an order of %%s %%s', payment.amount, payment.currency,
            shop_order.total_amount, shop_order.currency)
        FROM orders_payment AS payment
        JOIN orders_order AS shop_order ON shop_order.id = payment.order_id
        WHERE payment.status <> 'failed' AND payment.reversal_requested_at IS NULL
          AND (payment.amount, payment.currency)
              <> (shop_order.total_amount, shop_order.currency)
        """,
    ),
    (
        "I5",
        """
        SELECT 'payment ' || payment.idempotency_key,
               format('in %%s, with an event in %%s', payment.currency, event.currency)
        FROM orders_paymentevent AS event
        JOIN orders_payment AS payment ON payment.id = event.payment_id
        WHERE event.currency <> payment.currency
        """,
    ),
    (
        "I6",
        """
        SELECT 'order ' || shop_order.number,
               format('%%s payments are held or taken for it', count(*))
        FROM orders_payment AS payment
        JOIN orders_order AS shop_order ON shop_order.id = payment.order_id
        WHERE payment.status IN ('authorized', 'captured')
          AND payment.reversal_requested_at IS NULL
        GROUP BY shop_order.number HAVING count(*) > 1
        """,
    ),
    (
        "I7",
        """
        SELECT 'table ' || tables.name, 'the trigger that keeps it append-only is off'
        FROM unnest(ARRAY['orders_paymentevent', 'orders_timelineentry']) AS tables(name)
        WHERE NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgrelid = tables.name::regclass AND tgname = tables.name || '_append_only'
              AND tgenabled <> 'D'
        )
        """,
    ),
    (
        "I7",
        """
        SELECT 'payment ' || payment.idempotency_key,
               format('is %%s without an event that says so', payment.status)
        FROM orders_payment AS payment
        WHERE payment.status <> 'pending' AND NOT EXISTS (
            SELECT FROM orders_paymentevent AS event
            WHERE event.payment_id = payment.id AND event.kind = payment.status
        )
        """,
    ),
    (
        "I8",
        """
        SELECT 'order ' || shop_order.number, format(
            'total %%s, subtotal %%s, discount %%s, shipping %%s, tax %%s, lines %%s',
            total_amount, subtotal_amount, discount_amount, shipping_amount,
            tax_amount, lines.amount)
        FROM orders_order AS shop_order
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(total_amount), 0) AS amount,
                   bool_or(total_amount <> unit_amount * quantity) AS is_wrong
            FROM orders_orderline WHERE order_id = shop_order.id
        ) AS lines
        WHERE shop_order.subtotal_amount <> lines.amount OR lines.is_wrong
           OR total_amount
              <> subtotal_amount - discount_amount + shipping_amount + tax_amount
        """,
    ),
    (
        "I11",
        """
        WITH step AS (
            SELECT order_id, field, from_state, to_state,
                   coalesce(lag(to_state) OVER life, '') AS before
            FROM orders_timelineentry WHERE field <> 'note'
            WINDOW life AS (PARTITION BY order_id, field ORDER BY id)
        )
        SELECT 'order ' || shop_order.number, format(
            '%%s went from "%%s" to "%%s", being "%%s"',
            field, from_state, to_state, before)
        FROM step JOIN orders_order AS shop_order ON shop_order.id = order_id
        WHERE from_state <> before OR NOT EXISTS (
            SELECT FROM unnest(
                %(fields)s::text[], %(origins)s::text[], %(ends)s::text[]
            ) AS edge(field, origin, target)
            WHERE (edge.field, origin, target) = (step.field, from_state, to_state)
        )
        """,
    ),
    (
        "I11",
        """
        SELECT 'order ' || shop_order.number, format(
            '%%s is "%%s", and its timeline ends with "%%s"', state.field, state.now,
            entry.to_state)
        FROM orders_order AS shop_order
        CROSS JOIN LATERAL (VALUES
            ('status', shop_order.status),
            ('payment_status', shop_order.payment_status),
            ('fulfillment_status', shop_order.fulfillment_status)
        ) AS state(field, now)
        LEFT JOIN LATERAL (
            SELECT to_state FROM orders_timelineentry
            WHERE order_id = shop_order.id AND field = state.field
            ORDER BY id DESC LIMIT 1
        ) AS entry ON true
        WHERE entry.to_state IS DISTINCT FROM state.now
        """,
    ),
    (
        "I12",
        """
        SELECT 'event ' || name || ' ' || id, 'was not passed on within five minutes'
        FROM core_outboxevent
        WHERE dispatched_at IS NULL AND occurred_at < %(outbox_deadline)s
        """,
    ),
    (
        "I12",
        """
        SELECT 'event ' || event.name || ' ' || event.id,
               format('%%s: %%s after %%s attempts', handler, status, attempts)
        FROM core_outboxdelivery AS delivery
        JOIN core_outboxevent AS event ON event.id = delivery.event_id
        WHERE status <> 'delivered' AND event.occurred_at < %(outbox_deadline)s
        """,
    ),
    (
        "I12",
        """
        SELECT 'order ' || shop_order.number,
               format('%%s events orders.order_placed', count(event.id))
        FROM orders_order AS shop_order
        LEFT JOIN core_outboxevent AS event
            ON event.name = 'orders.order_placed'
           AND event.aggregate_id = shop_order.id::text
        WHERE EXISTS (
            SELECT FROM orders_timelineentry AS entry
            WHERE entry.order_id = shop_order.id AND entry.field = 'payment_status'
              AND entry.from_state = 'pending' AND entry.to_state IN ('authorized', 'paid')
              -- Delivered events are pruned after a while.
              AND entry.created_at > %(now)s::timestamptz - interval '1 day'
        )
        GROUP BY shop_order.number HAVING count(event.id) <> 1
        """,
    ),
    (
        "I13",
        """
        SELECT 'cart ' || cart.id, 'is checked out and has no order'
        FROM orders_cart AS cart
        WHERE cart.state = 'checked_out' AND NOT EXISTS (
            SELECT FROM orders_order AS shop_order
            WHERE shop_order.id = cart.order_id AND shop_order.cart_id = cart.id
        )
        """,
    ),
    (
        "I13",
        """
        SELECT 'payment ' || min(idempotency_key),
               format('%%s successful attempts for one Idempotency-Key', count(*))
        FROM orders_payment
        WHERE checkout_key <> '' AND status <> 'failed'
        GROUP BY order_id, checkout_key HAVING count(*) > 1
        """,
    ),
    (
        "I14",
        """
        SELECT 'payment ' || idempotency_key,
               format('its outcome is unknown since %%s', created_at)
        FROM orders_payment
        WHERE status = 'pending' AND created_at < %(settling_deadline)s
        """,
    ),
    (
        "I14",
        """
        WITH answer AS MATERIALIZED (
            SELECT scope, substring(headers ->> 'Location' FROM '[^/]+$') AS number
            FROM core_idempotencyrecord
            WHERE status_code IN (201, 202) AND route LIKE '%%checkout'
        )
        SELECT 'order ' || number, 'was promised to ' || scope || ' and is not there'
        FROM answer
        WHERE NOT EXISTS (
            SELECT FROM orders_order WHERE orders_order.number = answer.number
        )
        """,
    ),
    (
        "I15",
        """
        SELECT 'payment ' || idempotency_key,
               format('should have been given back since %%s', reversal_requested_at)
        FROM orders_payment
        WHERE status IN ('authorized', 'captured')
          AND reversal_requested_at < %(reversal_deadline)s
        """,
    ),
)


INVARIANTS = sorted({invariant for invariant, _ in QUERIES})


def ledger_violations(*, now: datetime) -> list[Violation]:
    """Return every row of the whole shop that breaks an invariant of the ledgers."""
    found = [
        Violation(problem.invariant, f"stock {problem.stock_id}", problem.detail)
        for problem in inventory_selectors.ledger_problems(now=now)
    ]
    found += _violations_by_query(now)
    found += _orders_without_their_stock()
    return sorted(found, key=lambda violation: int(violation.invariant[1:]))


def _violations_by_query(now: datetime) -> Iterator[Violation]:
    fields, origins, ends = zip(*_EDGES, strict=True)
    parameters: dict[str, Any] = {
        "now": now,
        "outbox_deadline": now - OUTBOX_DEADLINE,
        "settling_deadline": now - SETTLING_DEADLINE,
        "reversal_deadline": now - REVERSAL_DEADLINE,
        "fields": list(fields),
        "origins": list(origins),
        "ends": list(ends),
    }
    with connection.cursor() as cursor:
        for invariant, query in QUERIES:
            cursor.execute(query, parameters)
            for subject, detail in cursor.fetchall():
                yield Violation(invariant, subject, detail)


# Paid for as a backorder, and held until the goods come.
_WAITING = "active for good"

# By the payment's status: the states its reservations may be in, and whether they
# must add up to the order's lines, which a later attempt may have replaced.
_RESERVED = {
    Payment.Status.PENDING: ({"active", "expired", "released"}, True),
    Payment.Status.AUTHORIZED: ({"consumed", _WAITING}, True),
    Payment.Status.CAPTURED: ({"consumed", _WAITING}, True),
    Payment.Status.FAILED: ({"released", "expired"}, False),
    Payment.Status.VOIDED: ({"released", "expired"}, False),
    Payment.Status.REFUNDED: ({"released", "expired"}, False),
}


def _orders_without_their_stock() -> Iterator[Violation]:
    payments = Payment.objects.select_related("order").order_by("id").iterator(_BATCH)
    while batch := list(islice(payments, _BATCH)):
        sold = _sold({payment.order_id for payment in batch})
        held = _held(payment.pk for payment in batch)
        for payment in batch:
            detail = _mismatch(payment, sold[payment.order_id], held[payment.pk])
            if detail:
                yield Violation("I4", f"order {payment.order.number}", detail)


def _mismatch(
    payment: Payment, sold: Mapping[UUID, int], held: Mapping[tuple[str, UUID], int]
) -> str:
    allowed, is_whole = _RESERVED[Payment.Status(payment.status)]
    if payment.reversal_requested_at is not None:
        allowed, is_whole = {"released", "expired"}, False
    wrong = {state for state, _ in held if state not in allowed}
    if wrong:
        return f"payment {payment.status}, reservations {', '.join(sorted(wrong))}"
    quantities: Counter[UUID] = Counter()
    for (_, variant_id), quantity in held.items():
        quantities[variant_id] += quantity
    if is_whole and quantities != Counter(sold):
        return f"sold {_listed(sold)}, reserved {_listed(quantities)}"
    return ""


def _listed(quantities: Mapping[UUID, int]) -> str:
    return ", ".join(f"{n} of {v}" for v, n in sorted(quantities.items())) or "nothing"


def _sold(order_ids: Iterable[UUID]) -> defaultdict[UUID, Counter[UUID]]:
    sold: defaultdict[UUID, Counter[UUID]] = defaultdict(Counter)
    lines = OrderLine.objects.filter(order__in=list(order_ids))
    for order_id, variant_id, quantity in lines.values_list(
        "order_id", "variant_id", "quantity"
    ):
        sold[order_id][variant_id] += quantity
    return sold


def _held(
    references: Iterable[UUID],
) -> defaultdict[UUID, Counter[tuple[str, UUID]]]:
    held: defaultdict[UUID, Counter[tuple[str, UUID]]] = defaultdict(Counter)
    reservations = inventory_selectors.reservations_matching().filter(
        reference__in=list(references)
    )
    for reference, variant_id, state, expires_at, quantity in reservations.values_list(
        "reference", "stock__variant_id", "state", "expires_at", "quantity"
    ):
        is_waiting = state == "active" and expires_at is None
        held[reference][_WAITING if is_waiting else state, variant_id] += quantity
    return held


def provider_violations() -> tuple[list[Violation], list[str]]:
    """Compare our captures with each provider's own, as far as they can be asked.

    Returns what differs, and which providers gave no answer.
    """
    found: list[Violation] = []
    silent: list[str] = []
    for code, provider in offered_providers().items():
        try:
            theirs = provider.captured_amounts()
        except OutgoingCallError:
            silent.append(code)
            continue
        found += _differences(_our_captures(code), theirs)
    return found, silent


def _our_captures(code: str) -> dict[str, Money]:
    payments = Payment.objects.filter(provider=code, events__kind="captured")
    rows = payments.values_list("idempotency_key", "events__amount", "events__currency")
    captured: dict[str, Money] = {}
    for key, amount, currency in rows:
        captured[key] = captured.get(key, Money(0, currency)) + Money(amount, currency)
    return captured


def _differences(
    ours: Mapping[str, Money], theirs: Mapping[str, Money]
) -> Iterator[Violation]:
    for key in sorted(ours.keys() | theirs.keys()):
        we, they = ours.get(key), theirs.get(key)
        if we != they:
            detail = f"we captured {we or 'nothing'}, the provider {they or 'nothing'}"
            yield Violation("I6", f"payment {key}", detail)
