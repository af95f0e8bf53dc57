"""Checkout in three phases: claim, ask the provider, finalize.

1. *Claim*, one transaction. The cart's row is locked first of all. What was agreed is
   priced again, the order and the payment attempt are written, the stock is held under
   the attempt's id. From here on the cart is closed.
2. *Ask the provider*, outside any transaction and with no row locked. Its answer may
   be lost: that is unknown, never failed.
3. *Finalize*, see ``_paying``. The sweeper comes through the same door.

Where a process dies, the rows of phase 1 are what the sweeper goes on from: it asks the
provider by the attempt's key and finalizes. Dying before phase 1 commits leaves nothing.

One cart has one order. A declined order stays, failed, and the cart opens again; the
next checkout takes the order up with the cart as it is then and a new *generation* of
the payment, which has a key and a hold of its own. The same happens when the provider
can't be reached (nothing was sent, so nothing is unknown): 503, the stock is free, the
cart is open, and a repeated request starts the next generation.

A request that is repeated with its Idempotency-Key, because its answer was lost, finds
its own attempt by the key's digest and goes on with it; another key meets
CartAlreadyCheckedOutError.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.conditional import StaleVersionError, make_etag
from core.ids import uuid7
from core.locking import lock_wait
from core.money import Money
from core.prepared import prepared_cursor
from core.rows import as_json, insertion
from inventory import services as inventory_services
from orders import selectors
from orders.exceptions import (
    CartIncompleteError,
    OrderLapsedError,
    PaymentDeclinedError,
    PaymentProviderUnavailableError,
    PriceChangedError,
)
from orders.models import Cart, Order, OrderLine, Payment, TimelineEntry
from orders.payments.provider import Charge, Outcome, OutcomeStatus
from orders.payments.registry import offered_providers
from orders.selectors import Basket, OrderDetail, PricedCart, PricedLine
from orders.services._changing import (
    Shopper,
    lock_basket,
    raise_checked_out,
    standing_of,
)
from orders.services._paying import FIRST_CHECK_AFTER, UNASKED, finalize_payment
from orders.services._transitions import move_order

# The database numbers the order.
_NUMBERED = ("number",)
RECORD_ATTEMPT = f"""
WITH placed AS (
    {insertion(Order, "%(order)s", _NUMBERED)} RETURNING number
), lines AS (
    {insertion(OrderLine, "%(lines)s")}
), entries AS (
    {insertion(TimelineEntry, "%(entries)s")}
), attempt AS (
    {insertion(Payment, "%(payment)s")}
)
UPDATE orders_cart
SET state = 'checked_out', order_id = %(order_id)s, hold_reference = NULL,
    version = version + 1, updated_at = %(now)s
WHERE id = %(cart_id)s
RETURNING (SELECT number FROM placed)
"""  # noqa: S608 -- made of column names


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that waits for its payment, or doesn't any more."""

    order: Order
    lines: tuple[OrderLine, ...]
    payments: tuple[Payment, ...]

    @property
    def payment(self) -> Payment:
        return self.payments[-1]


def check_out(
    *,
    cart_id: UUID,
    shopper: Shopper,
    provider_code: str,
    method: str,
    expected_total: Money | None = None,
    request_key: str,
    expected_version: int | None = None,
    now: datetime,
) -> OrderDetail:
    """Turn a cart into an order and have it paid. Call it outside a transaction.

    The order comes with its lines and payments. Its payment status is ``pending`` when
    the provider's answer isn't known yet.

    :raises CartIncompleteError, PriceChangedError, InsufficientStockError:
        and then nothing has changed.
    :raises CartAlreadyCheckedOutError: by another request than this one.
    :raises PaymentDeclinedError: the stock is free and the cart is open again.
    :raises PaymentProviderUnavailableError: the same, since nothing was asked.
    :raises OrderLapsedError: the order was canceled, or has failed, before its payment
        was confirmed; what was paid is given back.
    """
    claim = claim_order(
        cart_id=cart_id,
        shopper=shopper,
        provider_code=provider_code,
        method=method,
        expected_total=expected_total,
        checkout_key=hashlib.sha256(request_key.encode()).hexdigest(),
        expected_version=expected_version,
        now=now,
    )
    payment = claim.payment
    if payment.status == Payment.Status.FAILED:
        raise PaymentDeclinedError(decline_code=payment.failure_code)
    _refuse_lapsed(claim.order, payment)
    if payment.status != Payment.Status.PENDING:
        return OrderDetail(claim.order, claim.lines, claim.payments)
    outcome = _authorize(payment)
    # The provider took its time: what follows is not of the moment of the request.
    payment = finalize_payment(
        payment_id=payment.pk, outcome=outcome, now=timezone.now()
    )
    if payment.status == Payment.Status.FAILED:
        if outcome.status is OutcomeStatus.NOT_SENT:
            raise PaymentProviderUnavailableError(retry_after=5)
        raise PaymentDeclinedError(decline_code=payment.failure_code)
    _refuse_lapsed(payment.order, payment)
    # The lines are those that the claim has just written.
    return OrderDetail(payment.order, claim.lines, (*claim.payments[:-1], payment))


def _refuse_lapsed(order: Order, payment: Payment) -> None:
    if order.status == Order.Status.CANCELED or payment.reversal_requested_at:
        raise OrderLapsedError(order=standing_of(order))


def _authorize(payment: Payment) -> Outcome:
    provider = offered_providers().get(payment.provider)
    if provider is None:
        # A repeated request, and the shop was set up anew in between.
        return Outcome(OutcomeStatus.UNKNOWN)
    return provider.authorize(
        Charge(
            key=payment.idempotency_key,
            method=payment.method,
            amount=Money(payment.amount, payment.currency),
        )
    )


@transaction.atomic
def claim_order(
    *,
    cart_id: UUID,
    shopper: Shopper,
    provider_code: str,
    method: str,
    expected_total: Money | None,
    checkout_key: str,
    expected_version: int | None,
    now: datetime,
) -> Claim:
    """Write down the order and the attempt to have it paid, or do nothing.

    Public for the tests of what a crash leaves; ``check_out`` is the service.
    """
    basket = lock_basket(cart_id, shopper)
    cart = basket.cart
    order = lock_order(cart.order_id) if cart.order_id else None
    earlier = tuple(order.payments.order_by("generation")) if order else ()
    if order:
        last = earlier[-1]
        if last.checkout_key == checkout_key and not _may_try_again(last):
            return Claim(order, tuple(order.lines.order_by("position")), earlier)
        if cart.state == Cart.State.CHECKED_OUT:
            raise_checked_out(cart_id)
    if expected_version not in {None, cart.version}:
        raise StaleVersionError(make_etag(cart.version))

    priced = _agreed(basket, expected_total, now)
    payment = Payment(
        id=uuid7(),
        provider=provider_code,
        method=method,
        generation=len(earlier) + 1,
        currency=cart.currency,
        amount=priced.totals.total.amount,
        checkout_key=checkout_key,
        created_at=now,
        next_check_at=now + FIRST_CHECK_AFTER,
    )
    is_new = order is None
    if order:
        _take_up(order, priced, now)
    else:
        order = _new_order(priced, now)
    payment.order = order
    payment.idempotency_key = f"order:{order.pk}:authorize:{payment.generation}"
    lines = tuple(
        _order_line(order, position, line) for position, line in enumerate(priced.lines)
    )
    _record_attempt(cart, payment, lines, now, is_new=is_new)
    # Last, so that the stock rows stay locked for as short a time as possible.
    inventory_services.reserve_stock(
        reference=payment.pk,
        demand=priced.demand(),
        expires_at=now + timedelta(seconds=settings.PAYMENT_WINDOW_SECONDS),
        now=now,
        replacing=cart.hold_reference,
    )
    return Claim(order, lines, (*earlier, payment))


def _may_try_again(payment: Payment) -> bool:
    """Say whether a repeated request is a new attempt: nothing reached the provider."""
    return payment.status == Payment.Status.FAILED and payment.failure_code in UNASKED


def lock_order(order_id: UUID) -> Order:
    """Lock the order's row: after its cart, before its payments and their stock."""
    with lock_wait():
        return Order.objects.select_for_update(no_key=True).get(pk=order_id)


def _agreed(basket: Basket, expected_total: Money | None, now: datetime) -> PricedCart:
    """Price the cart under its lock, and make sure that the buyer wants just that."""
    # Whether the stock suffices, the reservation decides.
    priced = selectors.price_basket(basket, now=now, with_stock=False)
    obstacles = [
        {
            "code": problem.code,
            "detail": problem.detail,
            **({"item_id": str(problem.item_id)} if problem.item_id else {}),
        }
        for problem in priced.problems
        if problem.code not in selectors.ADVISORY_PROBLEMS
    ]
    if obstacles:
        raise CartIncompleteError(problems=obstacles)
    total = priced.totals.total
    if expected_total is not None and expected_total != total:
        raise PriceChangedError(
            f"The total is {total} now.",
            total={"amount": total.amount, "currency": total.currency},
        )
    return priced


def _new_order(priced: PricedCart, now: datetime) -> Order:
    cart = priced.cart
    order = Order(cart_id=cart.pk, user_id=cart.user_id)
    for name, value in _agreement(priced, now).items():
        setattr(order, name, value)
    return order


def _first_entries(order: Order, now: datetime) -> list[TimelineEntry]:
    return [
        TimelineEntry(
            order=order, field=field, to_state=getattr(order, field), created_at=now
        )
        for field in ("status", "payment_status", "fulfillment_status")
    ]


def _take_up(order: Order, priced: PricedCart, now: datetime) -> None:
    """Have a failed order say what the cart says now, and wait for a payment again."""
    move_order(
        order,
        "payment_status",
        Order.PaymentStatus.PENDING,
        now=now,
        message="Checked out again.",
    )
    agreement = _agreement(priced, now)
    for name, value in agreement.items():
        setattr(order, name, value)
    order.user_id = priced.cart.user_id
    order.save(update_fields=[*agreement, "user"])
    OrderLine.objects.filter(order=order).delete()


def _agreement(priced: PricedCart, now: datetime) -> dict[str, object]:
    """Copy what the buyer and the shop agree on: later edits must not change it."""
    cart, totals, shipping = priced.cart, priced.totals, priced.shipping_option
    ship_to = cart.shipping_address
    bill_to = cart.billing_address or ship_to
    return {
        "email": cart.email,
        "currency": cart.currency,
        "subtotal_amount": totals.subtotal.amount,
        "discount_amount": totals.discount.amount,
        "shipping_amount": totals.shipping.amount,
        "tax_amount": totals.tax.amount,
        "total_amount": totals.total.amount,
        "shipping_address": ship_to,
        "shipping_country": ship_to["country"],
        "shipping_region": ship_to.get("region", ""),
        "billing_address": bill_to,
        "billing_country": bill_to["country"],
        "billing_region": bill_to.get("region", ""),
        "shipping_option_code": shipping.code if shipping else "",
        "shipping_option_name": shipping.name if shipping else "",
        "note": cart.note,
        "placed_at": now,
    }


def _order_line(order: Order, position: int, line: PricedLine) -> OrderLine:
    variant = line.variant
    if variant is None:
        raise ValueError("A line that can't be bought reached the order.")
    return OrderLine(
        order=order,
        variant_id=line.variant_id,
        position=position,
        sku=variant.sku,
        title=variant.title,
        product_title=variant.product_title,
        product_slug=variant.product_slug,
        thumbnail_url=variant.thumbnail["url"] if variant.thumbnail else "",
        quantity=line.quantity,
        unit_amount=variant.unit.amount,
        total_amount=variant.unit.amount * line.quantity,
    )


def _record_attempt(
    cart: Cart,
    payment: Payment,
    lines: Sequence[OrderLine],
    now: datetime,
    *,
    is_new: bool,
) -> None:
    """Write the order if it is new, what hangs on it, and close its cart: one statement."""
    order = payment.order
    parameters: dict[str, Any] = {
        "order": as_json([order] if is_new else [], _NUMBERED),
        "lines": as_json(lines),
        "entries": as_json(_first_entries(order, now) if is_new else []),
        "payment": as_json([payment]),
        "order_id": order.pk,
        "cart_id": cart.pk,
        "now": now,
    }
    with prepared_cursor() as cursor:
        cursor.execute(RECORD_ATTEMPT, parameters)
        (number,) = cursor.fetchone()
    if is_new:
        order.number = number
