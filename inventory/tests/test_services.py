from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Variant
from catalog.tests.factories import make_variant
from core.ids import uuid7
from core.models import OutboxEvent
from inventory import selectors, services
from inventory.exceptions import (
    InsufficientStockError,
    ReservationLostError,
    StockBelowReservedError,
    StockChangedError,
    StockTooHighError,
    UnknownVariantError,
    UnknownWarehouseError,
)
from inventory.models import Movement, Reservation, Stock
from inventory.tests.factories import NOW, SOON, make_stock, make_warehouse, reserve

pytestmark = pytest.mark.django_db
LATER = SOON + timedelta(seconds=1)


def figures(stock):
    stock.refresh_from_db()
    return stock.on_hand, stock.reserved


def lines_of(stock):
    """The ledger of a row after its first delivery, oldest first."""
    return list(
        Movement.objects.filter(stock=stock)
        .order_by("id")
        .values_list(
            "kind",
            "on_hand_change",
            "reserved_change",
            "on_hand_after",
            "reserved_after",
        )
    )[1:]


def events():
    found = OutboxEvent.objects.filter(name__startswith="inventory.")
    return [
        name.removeprefix("inventory.")
        for name in found.order_by("sequence", "id").values_list("name", flat=True)
    ]


def in_stock(stock):
    return Variant.objects.get(pk=stock.variant_id).in_stock


def test_reserve_stock_holds_units_until_the_given_time():
    stock = make_stock(on_hand=5)

    reference = reserve({stock: 2})

    assert figures(stock) == (5, 2)
    hold = Reservation.objects.get()
    assert (hold.reference, hold.quantity, hold.state, hold.expires_at) == (
        reference,
        2,
        "active",
        SOON,
    )
    assert lines_of(stock) == [("reserved", 0, 2, 5, 2)]
    assert Movement.objects.get(kind="reserved").reference == reference


def test_reserve_stock_holds_nothing_when_one_variant_is_short():
    mug, cap = make_stock(on_hand=5), make_stock(on_hand=1)

    with pytest.raises(InsufficientStockError) as error, transaction.atomic():
        reserve({mug: 2, cap: 2})

    assert error.value.available == {cap.variant_id: 1}
    assert error.value.extensions == {"available": {str(cap.variant_id): 1}}
    assert error.value.detail == "1 of 2 lines can't be supplied in full."
    assert figures(mug) == (5, 0)
    assert not Reservation.objects.exists()


def test_reserve_stock_names_zero_for_a_variant_without_stock():
    variant_id = make_variant().id

    with pytest.raises(InsufficientStockError) as error, transaction.atomic():
        services.reserve_stock(
            reference=uuid7(), demand={variant_id: 1}, expires_at=SOON, now=NOW
        )

    assert error.value.available == {variant_id: 0}


def test_reserve_stock_prefers_one_warehouse_that_has_it_all():
    near = make_stock(on_hand=2, warehouse="near", priority=1)
    far = make_stock(
        Variant.objects.get(pk=near.variant_id), on_hand=3, warehouse="far", priority=2
    )

    reserve({near: 3})

    assert (figures(near), figures(far)) == ((2, 0), (3, 3))


def test_reserve_stock_splits_over_warehouses_by_priority():
    near = make_stock(on_hand=2, warehouse="near", priority=1)
    far = make_stock(
        Variant.objects.get(pk=near.variant_id), on_hand=3, warehouse="far", priority=2
    )

    reference = reserve({near: 4})

    assert (figures(near), figures(far)) == ((2, 2), (3, 2))
    assert Reservation.objects.filter(reference=reference).count() == 2


def test_reserve_stock_passes_over_inactive_warehouses():
    stock = make_stock(on_hand=2)
    stock.warehouse.is_active = False
    stock.warehouse.save(update_fields=["is_active"])

    with pytest.raises(InsufficientStockError) as error, transaction.atomic():
        reserve({stock: 1})

    assert error.value.available == {stock.variant_id: 0}


def test_reserve_stock_takes_goods_at_hand_before_backorders():
    near = make_stock(on_hand=0, warehouse="near", priority=1, backorder_limit=10)
    far = make_stock(
        Variant.objects.get(pk=near.variant_id), on_hand=3, warehouse="far", priority=2
    )

    reserve({near: 3})
    reserve({near: 4})

    assert (figures(near), figures(far)) == ((0, 4), (3, 3))


def test_reserve_stock_stops_at_the_backorder_limit():
    stock = make_stock(on_hand=1, backorder_limit=2)
    reserve({stock: 3})

    with pytest.raises(InsufficientStockError), transaction.atomic():
        reserve({stock: 1})

    assert figures(stock) == (1, 3)


def test_reserve_stock_counts_an_expired_hold_for_nothing_before_it_is_swept():
    stock = make_stock(on_hand=2)
    abandoned = reserve({stock: 2})

    with pytest.raises(InsufficientStockError), transaction.atomic():
        reserve({stock: 1}, now=SOON - timedelta(microseconds=1), expires_at=LATER)
    reserve({stock: 1}, now=SOON, expires_at=LATER)

    assert figures(stock) == (2, 1)
    assert Reservation.objects.get(reference=abandoned).state == "expired"
    assert lines_of(stock)[1:] == [("expired", 0, -2, 2, 0), ("reserved", 0, 1, 2, 1)]


def test_reserve_stock_that_replaces_an_expired_hold_crosses_nothing():
    stock = make_stock(on_hand=1)
    reserve({stock: 1})
    told = events()

    reserve({stock: 1}, now=SOON, expires_at=LATER)

    assert events() == told == ["stock_out"]


@pytest.mark.parametrize("count", [1, 20])
def test_reserve_stock_costs_two_queries_however_many_lines(
    count, django_assert_num_queries
):
    stocks = [make_stock(on_hand=9) for _ in range(count)]

    with transaction.atomic(), django_assert_num_queries(2):
        reserve(dict.fromkeys(stocks, 1))


def test_reserve_stock_again_after_expiry_holds_for_the_same_reference():
    stock = make_stock(on_hand=1)
    reference = reserve({stock: 1})
    services.expire_reservations(now=SOON)

    reserve({stock: 1}, reference=reference, now=SOON, expires_at=LATER)
    services.consume_stock(reference=reference, now=SOON)

    assert figures(stock) == (0, 0)


def test_reserve_stock_in_place_of_another_hold_crosses_nothing():
    mug, cap = make_stock(on_hand=2), make_stock(on_hand=1)
    held = reserve({mug: 2, cap: 1})
    told = events()

    services.reserve_stock(
        reference=uuid7(),
        demand={mug.variant_id: 2},
        expires_at=LATER,
        now=NOW,
        replacing=held,
    )

    assert (figures(mug), figures(cap)) == ((2, 2), (1, 0))
    assert events()[len(told) :] == ["stock_back"]
    assert {hold.state for hold in Reservation.objects.filter(reference=held)} == {
        "released"
    }


def test_reserve_stock_refused_keeps_the_hold_that_it_was_to_replace():
    stock = make_stock(on_hand=2)
    held = reserve({stock: 1})

    with pytest.raises(InsufficientStockError) as error, transaction.atomic():
        services.reserve_stock(
            reference=uuid7(),
            demand={stock.variant_id: 3},
            expires_at=LATER,
            now=NOW,
            replacing=held,
        )

    assert error.value.available == {stock.variant_id: 2}
    assert figures(stock) == (2, 1)


def test_reserve_stock_refuses_a_second_live_hold_of_a_reference():
    stock = make_stock(on_hand=5)
    reference = reserve({stock: 1})

    with pytest.raises(IntegrityError), transaction.atomic():
        reserve({stock: 1}, reference=reference)


def test_consume_stock_takes_the_held_units_off_the_shelf():
    stock = make_stock(on_hand=5)
    reference = reserve({stock: 2})

    services.consume_stock(reference=reference, now=NOW)

    assert figures(stock) == (3, 0)
    assert lines_of(stock)[1:] == [("shipped", -2, -2, 3, 0)]
    hold = Reservation.objects.get()
    assert (hold.state, hold.closed_at) == ("consumed", NOW)


@pytest.mark.parametrize("verb", ["consume_stock", "release_stock"])
@pytest.mark.parametrize("count", [1, 20])
def test_closing_a_hold_costs_the_same_however_many_lines(
    verb, count, django_assert_num_queries
):
    stocks = [make_stock(on_hand=9) for _ in range(count)]
    reference = reserve(dict.fromkeys(stocks, 1))

    with transaction.atomic(), django_assert_num_queries(4):
        getattr(services, verb)(reference=reference, now=NOW)


def test_consume_stock_twice_changes_nothing():
    stock = make_stock(on_hand=5)
    reference = reserve({stock: 2})
    services.consume_stock(reference=reference, now=NOW)

    services.consume_stock(reference=reference, now=LATER)

    assert figures(stock) == (3, 0)


def test_consume_stock_of_a_backorder_ships_once_the_goods_come():
    stock = make_stock(on_hand=2, backorder_limit=5)
    reference = reserve({stock: 4})

    services.consume_stock(reference=reference, now=NOW)
    assert figures(stock) == (2, 4)
    assert services.expire_reservations(now=LATER) == 0
    adjust(stock, change=1)
    assert figures(stock) == (3, 4)
    adjust(stock, change=3)

    assert figures(stock) == (2, 0)
    assert Reservation.objects.get().state == "consumed"
    assert lines_of(stock)[2:] == [("adjusted", 3, 0, 6, 4), ("shipped", -4, -4, 2, 0)]


def test_arrivals_ship_the_oldest_backorders_that_they_reach():
    stock = make_stock(on_hand=0, backorder_limit=9)
    references = [
        reserve({stock: units}, now=NOW + timedelta(seconds=place))
        for place, units in enumerate((2, 5, 1))
    ]
    for reference in references:
        services.consume_stock(reference=reference, now=NOW + timedelta(seconds=9))

    services.set_counted_in_bulk(
        warehouse_code="main",
        quantities={stock.variant_id: 4},
        reason="Import",
        actor_id=None,
        now=LATER,
    )

    assert figures(stock) == (1, 5)
    assert Reservation.objects.waiting().get().reference == references[1]


def test_return_stock_lets_go_of_a_backorder_and_ships_another():
    stock = make_stock(on_hand=3, backorder_limit=9)
    first, second, third = (reserve({stock: 3}) for _ in range(3))
    for reference in (first, second, third):
        services.consume_stock(reference=reference, now=NOW)
    assert figures(stock) == (0, 6)

    for reference in (third, first):
        services.return_stock(reference=reference, now=NOW, reason="", actor_id=None)

    assert figures(stock) == (0, 0)
    assert Reservation.objects.get(state="consumed").reference == second


def test_consume_stock_refuses_a_hold_the_instant_it_expires():
    stock = make_stock(on_hand=5)
    reference = reserve({stock: 2})

    with pytest.raises(ReservationLostError), transaction.atomic():
        services.consume_stock(reference=reference, now=SOON)

    assert figures(stock) == (5, 2)


def test_consume_stock_refuses_what_another_clock_expired_in_part():
    mug, cap = make_stock(on_hand=1), make_stock(on_hand=1)
    reference = reserve({mug: 1, cap: 1})
    reserve({mug: 1}, now=SOON, expires_at=LATER)

    with pytest.raises(ReservationLostError), transaction.atomic():
        services.consume_stock(reference=reference, now=SOON - timedelta(seconds=1))

    assert figures(cap) == (1, 1)


def test_consume_stock_refuses_a_reference_that_holds_nothing():
    with pytest.raises(ReservationLostError), transaction.atomic():
        services.consume_stock(reference=uuid7(), now=NOW)


def test_release_stock_gives_the_units_back_once():
    stock = make_stock(on_hand=5)
    reference = reserve({stock: 2})

    services.release_stock(reference=reference, now=NOW, reason="Declined")
    services.release_stock(reference=reference, now=NOW)

    assert figures(stock) == (5, 0)
    assert lines_of(stock)[1:] == [("released", 0, -2, 5, 0)]
    assert Movement.objects.get(kind="released").reason == "Declined"


def test_return_stock_puts_consumed_units_back_once():
    stock = make_stock(on_hand=5)
    reference, actor_id = reserve({stock: 2}), uuid7()
    services.consume_stock(reference=reference, now=NOW)

    for _ in range(2):
        services.return_stock(
            reference=reference, now=NOW, reason="Canceled", actor_id=actor_id
        )

    assert figures(stock) == (5, 0)
    assert lines_of(stock)[2:] == [("returned", 2, 0, 5, 0)]
    assert Movement.objects.get(kind="returned").actor_id == actor_id


def test_expire_reservations_frees_what_is_overdue_and_nothing_else():
    stock = make_stock(on_hand=5)
    reserve({stock: 2})
    kept = reserve({stock: 1}, expires_at=LATER)

    assert services.expire_reservations(now=SOON) == 1

    assert figures(stock) == (5, 1)
    assert Reservation.objects.active().get().reference == kept


def test_expire_reservations_writes_a_running_balance():
    stock = make_stock(on_hand=5)
    reserve({stock: 2})
    reserve({stock: 3})

    services.expire_reservations(now=SOON)

    assert sorted(lines_of(stock)[2:], key=lambda line: -line[4]) in (
        [("expired", 0, -2, 5, 3), ("expired", 0, -3, 5, 0)],
        [("expired", 0, -3, 5, 2), ("expired", 0, -2, 5, 0)],
    )


def test_expire_reservations_stops_at_its_limit():
    stock = make_stock(on_hand=5)
    for _ in range(3):
        reserve({stock: 1})

    assert services.expire_reservations(now=SOON, limit=2) == 2
    assert services.expire_reservations(now=SOON, limit=2) == 1
    assert services.expire_reservations(now=SOON, limit=2) == 0


def adjust(stock, **given):
    fields = {"reason": "Check", "actor_id": None, "now": NOW} | given
    return services.adjust_stock(
        variant_id=stock.variant_id, warehouse_code=stock.warehouse.code, **fields
    )


def test_adjust_stock_adds_a_change_and_says_who_and_why():
    stock, actor_id = make_stock(on_hand=5), uuid7()

    changed = adjust(stock, change=-2, reason="Broken", actor_id=actor_id)

    assert (changed.on_hand, changed.warehouse_code) == (3, "main")
    line = Movement.objects.get(stock=stock, on_hand_change=-2)
    assert (line.kind, line.reason, line.actor_id) == ("adjusted", "Broken", actor_id)


def test_adjust_stock_records_the_difference_of_a_count():
    stock = make_stock(on_hand=5)

    adjust(stock, counted=8)
    adjust(stock, counted=8)

    assert lines_of(stock) == [("counted", 3, 0, 8, 0)]


def test_adjust_stock_makes_the_row_of_a_new_variant():
    make_warehouse()
    variant = make_variant()

    stock = services.adjust_stock(
        variant_id=variant.id,
        warehouse_code="main",
        change=3,
        reason="Delivery",
        actor_id=None,
        now=NOW,
    )

    assert (stock.on_hand, stock.sku) == (3, variant.sku)
    assert in_stock(stock)
    assert events() == []


def test_adjust_stock_refuses_when_the_figure_moved():
    stock = make_stock(on_hand=5)

    with pytest.raises(StockChangedError) as error:
        adjust(stock, counted=9, expected_on_hand=4)

    assert error.value.extensions == {"on_hand": 5}
    assert figures(stock) == (5, 0)


@pytest.mark.parametrize("given", [{"change": -4}, {"counted": 1}])
def test_adjust_stock_leaves_what_buyers_hold(given):
    stock = make_stock(on_hand=5)
    reserve({stock: 2})

    with pytest.raises(StockBelowReservedError) as error:
        adjust(stock, **given)

    assert error.value.extensions == {"on_hand": 5, "reserved": 2, "minimum": 2}
    assert figures(stock) == (5, 2)


def test_adjust_stock_refuses_more_than_a_row_can_hold():
    stock = make_stock(on_hand=5)

    with pytest.raises(StockTooHighError):
        adjust(stock, change=1_000_000_000)


def test_adjust_stock_refuses_unknown_places_and_goods():
    stock = make_stock(on_hand=5)
    stock.warehouse.code = "nowhere"

    with pytest.raises(UnknownWarehouseError):
        adjust(stock, change=1)
    stock.variant_id = uuid7()
    with pytest.raises(UnknownVariantError):
        adjust(stock, change=1)


@pytest.mark.parametrize("given", [{}, {"change": 1, "counted": 1}])
def test_adjust_stock_wants_either_a_change_or_a_count(given):
    with pytest.raises(TypeError):
        adjust(make_stock(), **given)


def test_set_counted_in_bulk_records_the_differences_only():
    same, more, held = (make_stock(on_hand=5) for _ in range(3))
    new = make_variant()
    reserve({held: 3})

    raised = services.set_counted_in_bulk(
        warehouse_code="main",
        quantities={
            same.variant_id: 5,
            more.variant_id: 7,
            held.variant_id: 1,
            new.id: 4,
        },
        reason="Import",
        actor_id=None,
        now=NOW,
    )

    assert raised == {held.variant_id: 3}
    assert (figures(same), figures(more), figures(held)) == ((5, 0), (7, 0), (3, 3))
    assert Stock.objects.get(variant_id=new.id).on_hand == 4
    assert lines_of(same) == []
    assert lines_of(more) == [("counted", 2, 0, 7, 0)]
    assert Variant.objects.get(pk=new.id).in_stock


@pytest.mark.parametrize("count", [1, 30])
def test_set_counted_in_bulk_costs_the_same_for_many(count, django_assert_num_queries):
    stocks = [make_stock(on_hand=1) for _ in range(count)]

    with transaction.atomic(), django_assert_num_queries(6):
        services.set_counted_in_bulk(
            warehouse_code="main",
            quantities={stock.variant_id: 2 for stock in stocks},
            reason="Import",
            actor_id=None,
            now=NOW,
        )


def test_crossing_zero_is_told_once_and_shown_in_the_catalogue():
    stock = make_stock(on_hand=2)
    assert in_stock(stock)

    first = reserve({stock: 1})
    assert (events(), in_stock(stock)) == ([], True)
    second = reserve({stock: 1})
    assert (events(), in_stock(stock)) == (["stock_out"], False)
    services.consume_stock(reference=first, now=NOW)
    assert (events(), in_stock(stock)) == (["stock_out"], False)
    services.release_stock(reference=second, now=NOW)
    assert (events(), in_stock(stock)) == (["stock_out", "stock_back"], True)


def test_a_variant_is_in_stock_while_one_warehouse_has_it():
    near = make_stock(on_hand=1, warehouse="near")
    far = make_stock(
        Variant.objects.get(pk=near.variant_id), on_hand=1, warehouse="far"
    )

    adjust(near, counted=0)
    assert (events(), in_stock(near)) == ([], True)
    adjust(far, counted=0)
    assert (events(), in_stock(near)) == (["stock_out"], False)


def test_falling_to_the_threshold_is_told_once():
    stock = make_stock(on_hand=10, low_stock_threshold=8)

    reserve({stock: 2})
    reserve({stock: 2})

    assert events() == ["stock_low"]
    assert OutboxEvent.objects.get(name="inventory.stock_low").payload == {
        "variant_id": str(stock.variant_id),
        "stock_id": str(stock.id),
        "available": 8,
        "low_stock_threshold": 8,
    }


def test_available_quantities_count_backorders_and_forget_expired_holds():
    stock, empty = make_stock(on_hand=5, backorder_limit=2), make_variant()
    reserve({stock: 3})
    wanted = [stock.variant_id, empty.id]

    before = selectors.available_quantities(variant_ids=wanted, now=NOW)
    after = selectors.available_quantities(variant_ids=wanted, now=SOON)

    assert before == {stock.variant_id: 4, empty.id: 0}
    assert after == {stock.variant_id: 7, empty.id: 0}
