from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from core import audit
from core.events import publish
from core.locking import lock_wait
from inventory import services as inventory_services
from orders import selectors
from orders.events import OrderCanceled, PaymentReversalRequested
from orders.exceptions import OrderNotCancelableError
from orders.models import Cart, Order, Payment
from orders.selectors import OrderDetail, Viewer
from orders.services._paying import FIRST_CHECK_AFTER
from orders.services._placing import lock_order
from orders.services._transitions import move_order

_PLACED = (Order.PaymentStatus.AUTHORIZED, Order.PaymentStatus.PAID)
_HOLDS_MONEY = (Payment.Status.AUTHORIZED, Payment.Status.CAPTURED)


def cancel_order(
    *,
    number: str,
    viewer: Viewer,
    reason: str = "",
    actor_id: UUID | None = None,
    now: datetime,
) -> OrderDetail:
    """Call the sale off: the goods go back on the shelf, the money to the buyer.

    The provider is asked after the commit, by the handler of PaymentReversalRequested
    and, if that fails, by the sweeper. A payment whose outcome isn't known yet stays
    open; should it succeed after all, it is given back then.

    :raises OrderNotFoundError: also for an order that the viewer may not see.
    :raises OrderNotCancelableError: once it is canceled, completed or partly sent.
    """
    order = selectors.find_order(number=number, viewer=viewer)
    with transaction.atomic():
        _cancel(order.pk, reason=reason, actor_id=actor_id, now=now)
    return selectors.get_order(number=number, viewer=viewer)


def _cancel(
    order_id: UUID, *, reason: str, actor_id: UUID | None, now: datetime
) -> None:
    # A failed order's cart is open; the order takes it along. Cart before order.
    with lock_wait():
        Cart.objects.filter(order_id=order_id, state=Cart.State.OPEN).update(
            state=Cart.State.CHECKED_OUT, version=F("version") + 1, updated_at=now
        )
    order = lock_order(order_id)
    if not order.is_cancelable:
        raise OrderNotCancelableError(
            status=order.status, fulfillment_status=order.fulfillment_status
        )
    payments = list(order.payments.all())
    was_placed = order.payment_status in _PLACED
    move_order(
        order,
        "status",
        Order.Status.CANCELED,
        now=now,
        message=reason,
        actor_id=actor_id,
        stamp="canceled_at",
    )
    for payment in payments:
        _let_go_of(payment, actor_id=actor_id, now=now)
    audit.record(
        order,
        "orders.canceled",
        before={"status": Order.Status.OPEN.value},
        # Why stands in the timeline, from where it can be erased.
        after={"status": order.status},
        actor_id=actor_id,
    )
    publish(
        OrderCanceled(
            order_id=order.pk,
            number=order.number,
            user_id=order.user_id,
            was_placed=was_placed,
        )
    )


def _let_go_of(payment: Payment, *, actor_id: UUID | None, now: datetime) -> None:
    """Free the goods that the payment holds or bought, and ask for its reversal."""
    reason = "The order was canceled."
    if payment.status == Payment.Status.PENDING:
        inventory_services.release_stock(reference=payment.pk, now=now, reason=reason)
    if payment.status not in _HOLDS_MONEY:
        return
    if payment.reversal_requested_at is not None:
        return
    payment.reversal_requested_at = now
    payment.next_check_at = now + FIRST_CHECK_AFTER
    payment.save(update_fields=["reversal_requested_at", "next_check_at"])
    publish(PaymentReversalRequested(order_id=payment.order_id, payment_id=payment.pk))
    inventory_services.return_stock(
        reference=payment.pk, now=now, reason=reason, actor_id=actor_id
    )
