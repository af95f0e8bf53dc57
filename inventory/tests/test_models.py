from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from inventory import selectors, services
from inventory.exceptions import ReservationLostError
from inventory.models import Movement, Reservation, Stock
from inventory.tasks import sweep_reservations
from inventory.tests.factories import NOW, SOON, make_stock, reserve

pytestmark = pytest.mark.django_db
State = Reservation.State


# Switched off for the tests' own clearing up, so switched on for the one about it.
REFUSE_TRUNCATE = (
    "ALTER TABLE inventory_movement ENABLE TRIGGER inventory_movement_no_truncate"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inventory_movement SET reason = 'forged'",
        "DELETE FROM inventory_movement",
        "TRUNCATE inventory_movement",
    ],
)
def test_ledger_is_append_only(statement):
    make_stock(on_hand=5)

    with connection.cursor() as cursor:
        # A table with checks still to come can't be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(REFUSE_TRUNCATE)
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            cursor.execute(statement)

    assert Movement.objects.get().reason == "Delivery"


@pytest.mark.parametrize(
    "figures",
    [
        {"on_hand": -1},
        {"reserved": -1},
        {"on_hand": 2, "reserved": 5},
        {"on_hand": 1_000_000_001},
        {"backorder_limit": 1_000_000_001},
    ],
)
def test_stock_constraints_refuse_impossible_figures(figures):
    stock = make_stock(on_hand=5, backorder_limit=2)

    with pytest.raises(IntegrityError), transaction.atomic():
        Stock.objects.filter(pk=stock.pk).update(**figures)


def test_transitions_cover_every_state():
    assert set(Reservation.TRANSITIONS) == set(State)


def consume(reference):
    services.consume_stock(reference=reference, now=NOW)


def release(reference):
    services.release_stock(reference=reference, now=NOW)


def take_back(reference):
    services.return_stock(reference=reference, now=NOW, reason="", actor_id=None)


def expire(_reference):
    services.expire_reservations(now=SOON)


def held_as(state, stock):
    reference = reserve({stock: 2})
    if state == State.CONSUMED:
        consume(reference)
    elif state == State.RELEASED:
        release(reference)
    elif state == State.EXPIRED:
        expire(reference)
    return reference


# From, verb: the state after it, and whether the verb is refused.
MATRIX = {
    (State.ACTIVE, consume): (State.CONSUMED, False),
    (State.ACTIVE, release): (State.RELEASED, False),
    (State.ACTIVE, take_back): (State.ACTIVE, False),
    (State.ACTIVE, expire): (State.EXPIRED, False),
    (State.CONSUMED, consume): (State.CONSUMED, False),
    (State.CONSUMED, release): (State.CONSUMED, False),
    (State.CONSUMED, take_back): (State.RELEASED, False),
    (State.CONSUMED, expire): (State.CONSUMED, False),
    (State.RELEASED, consume): (State.RELEASED, True),
    (State.RELEASED, release): (State.RELEASED, False),
    (State.RELEASED, take_back): (State.RELEASED, False),
    (State.RELEASED, expire): (State.RELEASED, False),
    (State.EXPIRED, consume): (State.EXPIRED, True),
    (State.EXPIRED, release): (State.EXPIRED, False),
    (State.EXPIRED, take_back): (State.EXPIRED, False),
    (State.EXPIRED, expire): (State.EXPIRED, False),
}


@pytest.mark.parametrize(("before", "verb"), MATRIX)
def test_reservation_goes_only_where_its_table_says(before, verb):
    after, is_refused = MATRIX[before, verb]
    stock = make_stock(on_hand=5)
    reference = held_as(before, stock)
    lines = Movement.objects.count()

    if is_refused:
        with pytest.raises(ReservationLostError), transaction.atomic():
            verb(reference)
    else:
        verb(reference)

    assert Reservation.objects.get().state == after
    assert after == before or after in Reservation.TRANSITIONS[before]
    assert Movement.objects.count() == lines + (after != before)
    assert selectors.ledger_problems(now=NOW) == []


def test_matrix_covers_every_state_and_every_transition():
    assert {before for before, _ in MATRIX} == set(State)
    reached = {
        (before, after) for (before, _), (after, _) in MATRIX.items() if after != before
    }
    assert reached == {
        (before, after)
        for before, ends in Reservation.TRANSITIONS.items()
        for after in ends
    }


def test_sweep_reservations_sweeps_until_nothing_is_overdue():
    stock = make_stock(on_hand=5)
    reserve({stock: 2})

    sweep_reservations()

    assert Reservation.objects.get().state == State.EXPIRED


def break_i1(stock):
    Stock.objects.filter(pk=stock.pk).update(on_hand=6)


def break_i3(stock):
    Reservation.objects.all().delete()


def break_i10(stock):
    Reservation.objects.update(expires_at=NOW - timedelta(seconds=61))


@pytest.mark.parametrize(
    ("spoil", "invariant", "detail"),
    [
        (break_i1, "I1", "on hand 6, reserved 2; the ledger sums up to 5 and 2"),
        (break_i3, "I3", "reserved 2; active reservations sum up to 0"),
        (break_i10, "I10", None),
    ],
)
def test_ledger_problems_name_the_row_that_breaks_an_invariant(
    spoil, invariant, detail
):
    stock = make_stock(on_hand=5)
    reserve({stock: 2})
    reserve({make_stock(on_hand=5): 1})
    assert selectors.ledger_problems(now=NOW) == []

    spoil(stock)

    problems = [p for p in selectors.ledger_problems(now=NOW) if p.stock_id == stock.id]
    assert [problem.invariant for problem in problems] == [invariant]
    assert detail is None or problems[0].detail == detail
