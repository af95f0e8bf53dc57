from collections import Counter
from datetime import timedelta
from functools import partial
from time import sleep

import pytest
from django.db import IntegrityError, connection, transaction

from catalog.models import Variant
from core.locking import BusyError
from core.tests.racing import race
from inventory import selectors, services
from inventory.exceptions import (
    InsufficientStockError,
    ReservationLostError,
    StockBelowReservedError,
)
from inventory.models import Reservation, Stock
from inventory.services import _ledger
from inventory.tests.factories import NOW, SOON, make_stock, reserve

pytestmark = pytest.mark.django_db(transaction=True)
BUYERS = 200
UNITS = 10


def outcomes_of(results):
    return Counter(
        "ok"
        if result is None or not isinstance(result, Exception)
        else type(result).__name__
        for result in results
    )


def figures(stock):
    stock.refresh_from_db()
    return stock.on_hand, stock.reserved


def assert_ledger_adds_up():
    assert selectors.ledger_problems(now=NOW) == []


def test_race_200_buyers_of_10_units_get_exactly_10():
    stock = make_stock(on_hand=UNITS)

    results = race([partial(reserve, {stock: 1})] * BUYERS)

    assert outcomes_of(results) == {"ok": 10, "InsufficientStockError": 190}
    assert figures(stock) == (10, 10)
    assert Reservation.objects.active().count() == 10
    assert_ledger_adds_up()


def test_race_is_won_by_the_condition_of_the_update_alone(monkeypatch):
    monkeypatch.setattr(_ledger, "LOCK", "")
    stock = make_stock(on_hand=UNITS)

    results = race([partial(reserve, {stock: 1})] * BUYERS)

    assert outcomes_of(results) == {"ok": 10, "InsufficientStockError": 190}
    assert figures(stock) == (10, 10)
    assert_ledger_adds_up()


def test_race_without_lock_and_condition_is_stopped_by_the_constraint(monkeypatch):
    monkeypatch.setattr(_ledger, "LOCK", "")
    monkeypatch.setattr(_ledger, "WITHIN_LIMITS", "TRUE")
    stock = make_stock(on_hand=UNITS)

    results = race([partial(reserve, {stock: 1})] * BUYERS)

    assert outcomes_of(results)["ok"] == 10
    assert any(isinstance(result, IntegrityError) for result in results)
    assert figures(stock) == (10, 10)


@pytest.fixture
def without_constraint():
    """Drop the CHECK for one test, and put it back over rows that keep it."""
    name = "inventory_stock_reserved_within_limit"
    constraints = Stock._meta.constraints  # noqa: SLF001 -- Django documents it
    constraint = next(c for c in constraints if c.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(Stock, constraint)
    yield
    Stock.objects.update(reserved=0)
    with connection.schema_editor() as editor:
        editor.add_constraint(Stock, constraint)


@pytest.mark.usefixtures("without_constraint")
def test_race_oversells_once_the_condition_is_taken_out(monkeypatch):
    monkeypatch.setattr(_ledger, "LOCK", "")
    monkeypatch.setattr(_ledger, "WITHIN_LIMITS", "TRUE")
    stock = make_stock(on_hand=UNITS)

    results = race([partial(reserve, {stock: 1})] * BUYERS)

    sold = outcomes_of(results)["ok"]
    assert sold > UNITS
    assert figures(stock) == (UNITS, sold)
    assert {problem.invariant for problem in selectors.ledger_problems(now=NOW)} == {
        "I2"
    }


def test_race_for_two_variants_in_opposite_order_ends_without_deadlock():
    mug, cap = make_stock(on_hand=20), make_stock(on_hand=20)
    orders = [{mug: 1, cap: 1}, {cap: 1, mug: 1}]

    results = race([partial(reserve, orders[turn % 2]) for turn in range(60)])

    assert outcomes_of(results) == {"ok": 20, "InsufficientStockError": 40}
    assert (figures(mug), figures(cap)) == ((20, 20), (20, 20))
    assert_ledger_adds_up()


def test_race_in_opposite_order_deadlocks_once_the_order_is_taken_out(monkeypatch):
    mug, cap = make_stock(on_hand=60), make_stock(on_hand=60)
    # Each statement now locks the rows of one variant, in the order of the demand.
    orders = [[mug, cap], [cap, mug]]

    @transaction.atomic
    def reserve_one_by_one(stocks):
        for stock in stocks:
            reserve({stock: 1})
            sleep(0.01)

    results = race([partial(reserve_one_by_one, orders[t % 2]) for t in range(30)])

    assert outcomes_of(results)["OperationalError"] > 0


def test_race_over_two_warehouses_sells_the_sum_of_both():
    near = make_stock(on_hand=5, warehouse="near", priority=1)
    far = make_stock(near.variant, on_hand=6, warehouse="far", priority=2)

    results = race([partial(reserve, {near: 3})] * 40)

    assert outcomes_of(results) == {"ok": 3, "InsufficientStockError": 37}
    assert figures(near)[1] + figures(far)[1] == 9
    assert_ledger_adds_up()


def test_race_for_the_last_unit_of_two_warehouses_leaves_the_catalogue_right():
    near = make_stock(on_hand=1, warehouse="near")
    far = make_stock(near.variant, on_hand=1, warehouse="far")

    results = race([partial(reserve, {near: 1})] * 8)

    assert outcomes_of(results)["ok"] == 2
    assert (figures(near), figures(far)) == ((1, 1), (1, 1))
    assert Variant.objects.get(pk=near.variant_id).in_stock is False


def test_race_of_sweepers_and_consumers_closes_each_hold_once():
    stock = make_stock(on_hand=40)
    references = [reserve({stock: 1}) for _ in range(20)]
    # Clocks differ: for the sweeper the holds are over, for the consumer not yet.
    early = SOON - timedelta(microseconds=1)
    consumers = [
        partial(services.consume_stock, reference=reference, now=early)
        for reference in references
    ]
    sweepers = [partial(services.expire_reservations, now=SOON, limit=5)] * 6

    results = race([*consumers[:10], *sweepers, *consumers[10:]])

    consumed = Reservation.objects.filter(state="consumed").count()
    lost = sum(isinstance(result, ReservationLostError) for result in results)
    assert consumed + lost == 20
    assert outcomes_of(results) == Counter(
        {"ok": consumed + 6, "ReservationLostError": lost}
    ) - Counter({"ReservationLostError": 0})
    assert figures(stock) == (
        40 - consumed,
        Reservation.objects.active().count(),
    )
    assert_ledger_adds_up()


def test_race_of_one_hold_s_consumers_ships_once():
    stock = make_stock(on_hand=5)
    reference = reserve({stock: 2})

    results = race([partial(services.consume_stock, reference=reference, now=NOW)] * 20)

    assert outcomes_of(results) == {"ok": 20}
    assert figures(stock) == (3, 0)
    assert_ledger_adds_up()


def test_race_of_consume_and_release_ends_in_one_of_them():
    stock = make_stock(on_hand=5)
    reference = reserve({stock: 2})

    race(
        [
            partial(verb, reference=reference, now=NOW)
            for verb in (services.consume_stock, services.release_stock)
        ]
        * 10
    )

    state = Reservation.objects.get().state
    assert figures(stock) == {"consumed": (3, 0), "released": (5, 0)}[state]
    assert_ledger_adds_up()


def adjust(stock, **given):
    return services.adjust_stock(
        variant_id=stock.variant_id,
        warehouse_code="main",
        reason="Check",
        actor_id=None,
        now=NOW,
        **given,
    )


def test_race_of_losses_and_buyers_never_promises_what_is_gone():
    stock = make_stock(on_hand=20)

    results = race(
        [partial(reserve, {stock: 1}), partial(adjust, stock, change=-1)] * 25
    )

    assert outcomes_of(results)["ok"] == 20
    on_hand, reserved = figures(stock)
    assert on_hand == reserved
    refusals = {type(r) for r in results if isinstance(r, Exception)}
    assert refusals <= {InsufficientStockError, StockBelowReservedError}
    assert_ledger_adds_up()


def test_race_of_counts_and_buyers_adds_up():
    stock = make_stock(on_hand=20)

    results = race(
        [partial(reserve, {stock: 1}), partial(adjust, stock, counted=15)] * 20
    )

    on_hand, reserved = figures(stock)
    assert reserved == sum(not isinstance(r, Exception) for r in results[::2])
    assert reserved <= on_hand
    assert on_hand in {15, 20}
    assert_ledger_adds_up()


def test_race_of_first_deliveries_makes_one_row():
    stock = make_stock(on_hand=0)
    Stock.objects.all().delete()

    results = race([partial(adjust, stock, change=1)] * 10)

    assert outcomes_of(results) == {"ok": 10}
    assert Stock.objects.get().on_hand == 10
    assert_ledger_adds_up()


def test_race_of_bulk_counts_of_the_same_new_variants_ends_without_deadlock():
    stocks = [make_stock(on_hand=0) for _ in range(20)]
    Stock.objects.all().delete()
    quantities = {stock.variant_id: 3 for stock in stocks}
    backwards = dict(reversed(quantities.items()))

    results = race(
        [
            partial(
                services.set_counted_in_bulk,
                warehouse_code="main",
                quantities=given,
                reason="Import",
                actor_id=None,
                now=NOW,
            )
            for given in [quantities, backwards] * 5
        ]
    )

    assert outcomes_of(results) == {"ok": 10}
    assert set(Stock.objects.values_list("on_hand", flat=True)) == {3}
    assert_ledger_adds_up()


def test_reserve_stock_says_busy_when_a_lock_does_not_come_in_time():
    stock = make_stock(on_hand=5)

    def wait_briefly():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'")
            reserve({stock: 1})

    with transaction.atomic():
        Stock.objects.select_for_update().get()
        (outcome,) = race([wait_briefly])

    assert isinstance(outcome, BusyError)
    assert outcome.retry_after == 1
    assert figures(stock) == (5, 0)
