from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orders.exceptions import OrderTransitionError
from orders.models import Order, Payment, PaymentEvent, TimelineEntry
from orders.services._transitions import TRANSITIONS, move_order, move_payment
from orders.tests.factories import ADDRESS

pytestmark = pytest.mark.django_db

FIELDS = {
    "status": Order.Status,
    "payment_status": Order.PaymentStatus,
    "fulfillment_status": Order.FulfillmentStatus,
}
EDGES = [
    (field, origin, to)
    for field, states in FIELDS.items()
    for origin in states
    for to in states
]


def make_order(**states):
    return Order.objects.create(
        cart_id=uuid4(),
        email="a@example.com",
        currency="EUR",
        subtotal_amount=1000,
        total_amount=1000,
        shipping_address=ADDRESS,
        billing_address=ADDRESS,
        placed_at=timezone.now(),
        **states,
    )


def make_payment(order=None, **fields):
    return Payment.objects.create(
        order=order or make_order(),
        provider="simulated",
        method="sim_ok",
        idempotency_key=str(uuid4()),
        currency="EUR",
        amount=1000,
        **fields,
    )


@pytest.mark.parametrize("field", FIELDS)
def test_every_state_says_where_it_leads(field):
    assert TRANSITIONS[field].keys() == set(FIELDS[field])


@pytest.mark.parametrize(("field", "origin", "to"), EDGES)
def test_move_order_follows_the_graph(field, origin, to):
    order = make_order(**{field: origin})
    now = timezone.now()

    if to in TRANSITIONS[field][origin]:
        move_order(order, field, to, now=now)
        expected = to
    else:
        with pytest.raises(OrderTransitionError) as error:
            move_order(order, field, to, now=now)
        assert error.value.extensions["current"] == origin
        expected = origin

    stored = Order.objects.get()
    assert getattr(stored, field) == getattr(order, field) == expected
    assert stored.version == order.version
    assert TimelineEntry.objects.count() == (expected != origin)


def test_move_order_refuses_a_state_that_is_not_the_loaded_one():
    order = make_order()
    Order.objects.update(payment_status="paid")

    with pytest.raises(OrderTransitionError):
        move_order(order, "payment_status", "failed", now=timezone.now())

    assert Order.objects.get().payment_status == "paid"
    assert not TimelineEntry.objects.exists()


@pytest.mark.parametrize("origin", Payment.Status)
@pytest.mark.parametrize("to", Payment.Status)
def test_move_payment_follows_the_graph(origin, to):
    payment = make_payment(status=origin)

    is_moved = move_payment(
        payment, to, events=[PaymentEvent.Kind.FAILED], now=timezone.now()
    )

    assert is_moved == (to in Payment.TRANSITIONS[origin])
    payment.refresh_from_db()
    assert payment.status == (to if is_moved else origin)
    assert payment.events.count() == is_moved


def test_every_payment_state_says_where_it_leads():
    assert Payment.TRANSITIONS.keys() == set(Payment.Status)


def test_move_payment_loses_against_who_was_faster():
    payment = make_payment()
    Payment.objects.update(status="captured")

    is_moved = move_payment(
        payment,
        Payment.Status.FAILED,
        events=[PaymentEvent.Kind.FAILED],
        now=timezone.now(),
    )

    assert not is_moved
    assert Payment.objects.get().status == "captured"
    assert not PaymentEvent.objects.exists()


@pytest.mark.parametrize("table", ["orders_paymentevent", "orders_timelineentry"])
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET created_at = now()", "DELETE FROM {}"]
)
def test_history_is_never_changed(table, change):
    payment = make_payment()
    move_payment(
        payment,
        Payment.Status.FAILED,
        events=[PaymentEvent.Kind.FAILED],
        now=timezone.now(),
    )
    move_order(payment.order, "status", "canceled", now=timezone.now())

    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change.format(table))


def test_order_numbers_come_from_the_sequence():
    first, second = make_order(), make_order()

    assert first.number.startswith("SW-1")
    assert int(second.number[3:]) == int(first.number[3:]) + 1
