"""What happens when the provider has spoken: to us, or to the sweeper."""

import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from core.events import Event, publish, publish_all
from core.locking import lock_wait, sole_run
from core.money import Money
from core.prepared import prepared_cursor
from core.rows import columns, load, width
from inventory import services as inventory_services
from inventory.exceptions import ReservationLostError
from orders.events import (
    OrderCanceled,
    OrderPaid,
    OrderPlaced,
    PaymentFailed,
    PaymentReversalRequested,
)
from orders.models import Cart, Order, Payment, PaymentEvent, TimelineEntry
from orders.payments.provider import Outcome, OutcomeStatus
from orders.payments.registry import offered_providers
from orders.services._changing import is_second_open_cart
from orders.services._merging import merge_carts
from orders.services._transitions import move_order, move_payment

logger = structlog.get_logger(__name__)

# Longer than any call to a provider may take: only then is the call certainly over.
FIRST_CHECK_AFTER = timedelta(seconds=20)
LONGEST_PAUSE = timedelta(minutes=1)
# One run of the sweeper begins nothing after this, and gives up on a silent provider.
RUN_SECONDS = 15.0
SILENCES = 3
NEVER_SENT = "never_sent"
# Failures without any answer of the provider: whoever repeats his request tries again.
UNASKED = frozenset({NEVER_SENT, OutcomeStatus.NOT_SENT.value})

LOCK = f"""
SELECT {columns(Payment, "payment")}, {columns(Order, "placed")}
FROM orders_payment payment JOIN orders_order placed ON placed.id = payment.order_id
WHERE payment.id = %(payment_id)s
FOR NO KEY UPDATE OF placed, payment
"""  # noqa: S608 -- made of column names

_SUCCESSES = {
    OutcomeStatus.AUTHORIZED: (
        Payment.Status.AUTHORIZED,
        Order.PaymentStatus.AUTHORIZED,
        (PaymentEvent.Kind.AUTHORIZED,),
    ),
    OutcomeStatus.CAPTURED: (
        Payment.Status.CAPTURED,
        Order.PaymentStatus.PAID,
        (PaymentEvent.Kind.AUTHORIZED, PaymentEvent.Kind.CAPTURED),
    ),
}
# What an order becomes when its own payment is given back.
_GIVEN_BACK = {
    Order.PaymentStatus.PENDING: Order.PaymentStatus.VOIDED,
    Order.PaymentStatus.AUTHORIZED: Order.PaymentStatus.VOIDED,
    Order.PaymentStatus.PAID: Order.PaymentStatus.REFUNDED,
}


def finalize_payment(*, payment_id: UUID, outcome: Outcome, now: datetime) -> Payment:
    """Let the order follow what the provider said. The one door for everybody.

    In one transaction, and idempotent: whoever comes second finds the payment settled,
    changes nothing, and gets it as it is. Success for an order that doesn't wait for it
    any more (canceled, failed, its stock lost) is kept in the books and given back.
    An unknown outcome changes nothing; the sweeper will ask.
    """
    if outcome.is_success:
        try:
            return _settle_success(payment_id, outcome, now)
        except ReservationLostError:
            return _settle_unwanted(payment_id, outcome, now)
    if outcome.status is OutcomeStatus.UNKNOWN:
        return _load(payment_id)
    try:
        return _settle_failure(payment_id, outcome, now)
    except IntegrityError as error:
        if not is_second_open_cart(error):
            raise
        # The buyer opened another cart at the moment when this one was to open again.
        return _settle_failure(payment_id, outcome, now)


def _load(payment_id: UUID) -> Payment:
    return Payment.objects.select_related("order").get(pk=payment_id)


def _lock(payment_id: UUID) -> Payment:
    """Lock the order, so that finalizing, canceling and reversing take turns.

    Then the payment: of the rows it waits for, PostgreSQL reads only locked ones anew.
    """
    with lock_wait(), prepared_cursor() as cursor:
        cursor.execute(LOCK, {"payment_id": payment_id})
        row = cursor.fetchone()
    if row is None:
        raise Payment.DoesNotExist
    payment = load(Payment, row[: width(Payment)])
    payment.order = load(Order, row[width(Payment) :])
    return payment


@transaction.atomic
def _settle_success(payment_id: UUID, outcome: Outcome, now: datetime) -> Payment:
    payment = _lock(payment_id)
    order = payment.order
    if payment.status not in {Payment.Status.PENDING, Payment.Status.FAILED}:
        return payment
    if (
        payment.status == Payment.Status.FAILED
        or order.status != Order.Status.OPEN
        or order.payment_status != Order.PaymentStatus.PENDING
    ):
        return _keep_for_reversal(payment, outcome, now)

    to, payment_status, events = _SUCCESSES[outcome.status]
    payment.provider_reference = outcome.reference
    if not move_payment(payment, to, events=events, now=now):
        return _load(payment_id)
    is_paid = payment_status == Order.PaymentStatus.PAID
    move_order(
        order,
        "payment_status",
        payment_status,
        now=now,
        stamp="paid_at" if is_paid else None,
    )
    placed: list[Event] = [OrderPlaced(**_sale(order))]
    publish_all([*placed, OrderPaid(**_sale(order))] if is_paid else placed)
    inventory_services.consume_stock(reference=payment.pk, now=now)
    return payment


@transaction.atomic
def _settle_unwanted(payment_id: UUID, outcome: Outcome, now: datetime) -> Payment:
    """Cancel an order whose stock was gone before its payment came."""
    payment = _lock(payment_id)
    order = payment.order
    if order.status == Order.Status.OPEN:
        move_order(
            order,
            "status",
            Order.Status.CANCELED,
            now=now,
            message="The payment came after the goods were no longer held.",
            stamp="canceled_at",
        )
        publish(
            OrderCanceled(
                order_id=order.pk,
                number=order.number,
                user_id=order.user_id,
                was_placed=False,
            )
        )
    inventory_services.release_stock(
        reference=payment.pk, now=now, reason="The payment came too late."
    )
    return _keep_for_reversal(payment, outcome, now)


def _keep_for_reversal(payment: Payment, outcome: Outcome, now: datetime) -> Payment:
    to, _, events = _SUCCESSES[outcome.status]
    payment.provider_reference = outcome.reference
    payment.reversal_requested_at = now
    is_moved = move_payment(
        payment, to, events=events, now=now, next_check_at=now + FIRST_CHECK_AFTER
    )
    if not is_moved:
        return _load(payment.pk)
    add_note(payment.order, "A payment came too late and is given back.", now=now)
    publish(PaymentReversalRequested(order_id=payment.order_id, payment_id=payment.pk))
    return payment


@transaction.atomic
def _settle_failure(payment_id: UUID, outcome: Outcome, now: datetime) -> Payment:
    # Locked before the order, as everywhere; it opens again with the failure.
    carts = _lock_carts(payment_id)
    payment = _lock(payment_id)
    order = payment.order
    if payment.status != Payment.Status.PENDING:
        return payment
    payment.provider_reference = outcome.reference
    payment.failure_code = outcome.failure_code or outcome.status.value
    if not move_payment(
        payment, Payment.Status.FAILED, events=[PaymentEvent.Kind.FAILED], now=now
    ):
        return _load(payment_id)
    if order.payment_status == Order.PaymentStatus.PENDING:
        move_order(
            order,
            "payment_status",
            Order.PaymentStatus.FAILED,
            now=now,
            message=f"The payment failed: {payment.failure_code}."[:255],
        )
    given_up: list[UUID] = []
    if order.status == Order.Status.OPEN:
        given_up = _reopen_cart(order, carts, now)
    publish(
        PaymentFailed(
            order_id=order.pk,
            number=order.number,
            user_id=order.user_id,
            payment_id=payment.pk,
            failure_code=payment.failure_code,
        )
    )
    inventory_services.release_holds(
        references=[payment.pk, *given_up], now=now, reason="The payment failed."
    )
    return payment


def _lock_carts(payment_id: UUID) -> list[Cart]:
    """Lock the order's cart and the one that its owner may have opened since."""
    cart_id, user_id = Payment.objects.values_list(
        "order__cart_id", "order__user_id"
    ).get(pk=payment_id)
    wanted = Q(pk=cart_id)
    if user_id is not None:
        wanted |= Q(user=user_id, state=Cart.State.OPEN)
    carts = Cart.objects.filter(wanted).select_for_update(no_key=True)
    with lock_wait():
        return list(carts.order_by("pk"))


def _reopen_cart(order: Order, carts: list[Cart], now: datetime) -> list[UUID]:
    """Open the order's cart again; return the holds that this gives up."""
    cart = next(cart for cart in carts if cart.pk == order.cart_id)
    if cart.state != Cart.State.CHECKED_OUT:
        return []
    other = next((other for other in carts if other.pk != cart.pk), None)
    if other is not None and other.user_id == cart.user_id:
        return merge_carts(source=cart, target=other, now=now)
    cart.state = Cart.State.OPEN
    cart.version += 1
    cart.updated_at = now
    cart.save(update_fields=["state", "version", "updated_at"])
    return []


def reverse_payment(*, payment_id: UUID, now: datetime) -> bool:
    """Give back what a payment that isn't wanted holds or took. Call it in no transaction.

    Idempotent: the provider's side by its key, ours by the payment's state. When the
    provider can't be reached, the sweeper repeats it; False says so.
    """
    payment = _load(payment_id)
    provider = offered_providers().get(payment.provider)
    if payment.reversal_requested_at is None or provider is None:
        return True
    key = payment.idempotency_key.replace(":authorize:", ":reverse:")
    if payment.status == Payment.Status.AUTHORIZED:
        outcome = provider.void(payment.provider_reference, key=key)
    elif payment.status == Payment.Status.CAPTURED:
        amount = Money(payment.amount, payment.currency)
        outcome = provider.refund(payment.provider_reference, amount=amount, key=key)
    else:
        return True
    if outcome.status in {OutcomeStatus.VOIDED, OutcomeStatus.REFUNDED}:
        _settle_reversal(payment_id, outcome, now)
        return True
    logger.warning(
        "payment_reversal_open",
        payment_id=str(payment_id),
        outcome=outcome.status.value,
    )
    return outcome.status is OutcomeStatus.DECLINED


@transaction.atomic
def _settle_reversal(payment_id: UUID, outcome: Outcome, now: datetime) -> None:
    payment = _lock(payment_id)
    order = payment.order
    is_void = outcome.status is OutcomeStatus.VOIDED
    is_moved = move_payment(
        payment,
        Payment.Status.VOIDED if is_void else Payment.Status.REFUNDED,
        events=[PaymentEvent.Kind.VOIDED if is_void else PaymentEvent.Kind.REFUNDED],
        event_reference=outcome.reference,
        now=now,
    )
    if not is_moved:
        return
    to = _GIVEN_BACK.get(Order.PaymentStatus(order.payment_status))
    if to and order.status == Order.Status.CANCELED and _is_newest(payment):
        move_order(order, "payment_status", to, now=now)
    else:
        add_note(order, "The late payment was given back.", now=now)


def _is_newest(payment: Payment) -> bool:
    """Say whether the order's state speaks of this payment, not of a later attempt."""
    later = Payment.objects.filter(
        order=payment.order_id, generation__gt=payment.generation
    )
    return not later.exists()


def add_note(
    order: Order, message: str, *, now: datetime, actor_id: UUID | None = None
) -> None:
    TimelineEntry.objects.create(
        order=order, field="note", message=message, actor_id=actor_id, created_at=now
    )


def settle_payments(*, now: datetime, limit: int = 100) -> int:
    """Ask the providers about every payment that is due, and say how many were asked.

    Each is put off before it is asked about, so that sweepers don't ask twice and one
    that dies is followed by another. A provider that hangs must not keep the worker: one
    run at a time, for ``RUN_SECONDS``, and no longer than ``SILENCES`` unknown outcomes
    in a row. What is left is due in the next run.
    """
    with sole_run("orders.settle_payments") as is_ours:
        return _settle_due(now, limit) if is_ours else 0


def _settle_due(now: datetime, limit: int) -> int:
    asked = silences = 0
    ends_at = time.monotonic() + RUN_SECONDS
    for payment in _due_payments(now, limit):
        if silences == SILENCES or time.monotonic() >= ends_at:
            break
        if _put_off(payment, now):
            silences = 0 if _settle(payment, now) else silences + 1
            asked += 1
    return asked


def _due_payments(now: datetime, limit: int) -> list[Payment]:
    due = Payment.objects.filter(next_check_at__lte=now)
    return list(due.order_by("next_check_at")[:limit])


def _put_off(payment: Payment, now: datetime) -> bool:
    pause = min(LONGEST_PAUSE, timedelta(seconds=5 * 2 ** min(payment.checks, 6)))
    still_due = Payment.objects.filter(
        pk=payment.pk, next_check_at=payment.next_check_at
    )
    return bool(still_due.update(next_check_at=now + pause, checks=F("checks") + 1))


def _settle(payment: Payment, now: datetime) -> bool:
    """Ask about one payment, and say whether there was an answer."""
    if payment.status != Payment.Status.PENDING:
        return reverse_payment(payment_id=payment.pk, now=now)
    provider = offered_providers().get(payment.provider)
    if provider is None:
        logger.warning("payment_provider_gone", provider=payment.provider)
        return True
    outcome = provider.find(payment.idempotency_key)
    if outcome is None:
        # The process died before it asked. Should it be alive after all and ask now,
        # its success comes too late and is given back.
        outcome = Outcome(OutcomeStatus.NOT_SENT, failure_code=NEVER_SENT)
    finalize_payment(payment_id=payment.pk, outcome=outcome, now=now)
    return outcome.status is not OutcomeStatus.UNKNOWN


def _sale(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.pk,
        "number": order.number,
        "user_id": order.user_id,
        "total_amount": order.total_amount,
        "currency": order.currency,
    }
