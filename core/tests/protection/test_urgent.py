"""Who pays, has begun, signs in or keeps the shop: more places, and the others make way."""

import pytest

from core.protection.admission import Admission
from core.protection.concurrency import FixedLimit
from core.protection.gate import ThreadGate
from core.protection.tally import Reason


@pytest.fixture
def admission():
    return Admission(FixedLimit(8))


def arrive(admission, priority, now=0.0):
    return admission.arrive(priority=priority, rank=float(priority), now=now)


def leave(admission, waiter, now):
    admission.leave(waiter, now=now, route=None)


def let_in(admission, priority, count=100):
    """Return how many of so many are let in at once."""
    before = admission.inflight
    for _ in range(count):
        arrive(admission, priority)
    return admission.inflight - before


@pytest.mark.parametrize(
    ("limit", "urgent"), [(2, 3), (2.9, 3), (3, 4), (8, 12), (16, 24)]
)
def test_who_is_urgent_finds_half_as_many_places_more(limit, urgent):
    assert let_in(Admission(FixedLimit(limit)), 49) == urgent


@pytest.mark.parametrize(("limit", "places"), [(2, 2), (2.9, 2), (3, 3), (8, 8)])
def test_who_is_not_finds_as_many_as_the_limit_says(limit, places):
    assert let_in(Admission(FixedLimit(limit)), 50) == places


def test_where_others_have_taken_all_places_there_are_still_those(admission):
    let_in(admission, 50, 8)

    assert let_in(admission, 0) == 4
    assert let_in(admission, 0) == 0


@pytest.mark.parametrize(
    ("load", "places"), [(0.0, 8), (0.25, 4), (0.4, 1), (0.45, 0), (0.5, 0), (1.0, 0)]
)
def test_while_one_is_inside_the_others_have_the_fewer_places_the_more_is_to_do(
    admission, load, places
):
    admission.threshold.load = load
    arrive(admission, 49)

    # The urgent one has taken one of them.
    assert let_in(admission, 50) == max(0, places - 1)


@pytest.mark.parametrize("load", [0.0, 0.25, 0.5, 1.0])
def test_without_one_inside_they_have_them_all_however_much_is_to_do(admission, load):
    admission.threshold.load = load

    assert let_in(admission, 50) == 8


@pytest.mark.parametrize("priority", [50, 51, 90])
def test_for_who_is_not_urgent_nobody_makes_way(admission, priority):
    arrive(admission, priority)
    admission.threshold.load = 1.0

    assert let_in(admission, 50) == 7


@pytest.mark.parametrize("way", ["leave", "step_aside"])
def test_they_have_all_back_when_he_is_gone(admission, way):
    admission.threshold.load = 1.0
    urgent = arrive(admission, 10)
    waiting = [arrive(admission, 50) for _ in range(9)]
    assert not any(w.is_admitted for w in waiting)

    if way == "leave":
        leave(admission, urgent, 0.01)
    else:
        admission.step_aside(urgent, 0.01)

    assert [w.is_admitted for w in waiting] == [True] * 8 + [False]


def test_they_have_them_back_only_when_the_last_is_gone(admission):
    admission.threshold.load = 1.0
    urgent = [arrive(admission, 10) for _ in range(2)]
    waiting = arrive(admission, 50)

    leave(admission, urgent[0], 0.01)
    assert waiting.is_waiting
    leave(admission, urgent[1], 0.02)

    assert waiting.is_admitted


def test_who_comes_back_from_aside_is_made_way_for_again(admission):
    admission.threshold.load = 1.0
    urgent = arrive(admission, 10, now=0.0)
    admission.step_aside(urgent, 0.1)
    # That he was away for long says nothing about how soon he is done.
    admission.step_back(urgent, 0.7)

    assert arrive(admission, 50, now=0.8).is_waiting


@pytest.mark.parametrize(("now", "is_over"), [(0.49, False), (0.51, True)])
def test_nobody_makes_way_for_one_who_is_not_soon_done(admission, now, is_over):
    """Else one that waits for a lock for seconds would close the shop to all others."""
    admission.threshold.load = 1.0
    arrive(admission, 20, now=0.0)
    waiting = arrive(admission, 50, now=0.3)
    assert waiting.is_waiting

    arrive(admission, 50, now=now)

    assert waiting.is_admitted is is_over


def test_also_who_is_refused_notices_that_it_is_over(admission):
    admission.threshold.load = 1.0
    arrive(admission, 20, now=0.0)
    waiting = [arrive(admission, 50, now=0.3) for _ in range(16)]

    assert admission.refuse_at_once(priority=50, rank=50.0, now=0.51)

    assert [w.is_admitted for w in waiting] == [True] * 7 + [False] * 9


def test_the_next_one_is_made_way_for_all_the_same(admission):
    admission.threshold.load = 1.0
    arrive(admission, 20, now=0.0)
    arrive(admission, 20, now=0.4)

    assert arrive(admission, 50, now=0.6).is_waiting


def test_who_is_urgent_passes_the_others_who_wait(admission):
    let_in(admission, 50, 12)

    assert arrive(admission, 49).is_admitted
    assert admission.queued == 4


def test_who_is_urgent_passes_none_of_his_own_who_wait(admission):
    inside = [arrive(admission, 30) for _ in range(12)]
    waiting = arrive(admission, 30)
    admission.inflight -= 1

    late = arrive(admission, 30)
    better = arrive(admission, 10)

    assert (waiting.is_admitted, late.is_waiting, better.is_waiting) == (True,) * 3
    leave(admission, inside[0], 0.01)
    assert better.is_admitted


def test_who_is_urgent_waits_only_when_those_places_are_taken_too(admission):
    let_in(admission, 30, 12)

    checkout = arrive(admission, 10)

    assert checkout.is_waiting
    assert checkout.give_up_at == 0.5


def test_a_queue_full_of_others_makes_room_for_him(admission):
    let_in(admission, 30, 12)
    waiting = [arrive(admission, 50) for _ in range(16)]

    assert arrive(admission, 30).is_waiting
    assert [w.reason for w in waiting].count(Reason.PRIORITY) == 1


def test_when_an_ordinary_place_is_left_free_for_him_no_other_takes_it(admission):
    """Beyond the limit are those that he takes last, so others wait for theirs longer."""
    ordinary = [arrive(admission, 50) for _ in range(8)]
    urgent = arrive(admission, 10)
    waiting = arrive(admission, 50)

    leave(admission, ordinary[0], 0.01)
    assert waiting.is_waiting
    leave(admission, urgent, 0.02)

    assert waiting.is_admitted


# What the gate says without waiting for its lock


@pytest.fixture
def gate(admission):
    return ThreadGate(admission)


def test_there_is_room_until_all_places_are_taken(gate, admission):
    let_in(admission, 50, 7)
    assert gate.has_room
    let_in(admission, 50, 1)
    assert not gate.has_room


def test_there_is_no_room_while_they_make_way(gate, admission):
    admission.threshold.load = 0.5
    assert gate.has_room
    urgent = arrive(admission, 10)
    assert not gate.has_room
    leave(admission, urgent, 0.01)
    assert gate.has_room


def test_there_is_no_room_where_somebody_waits(gate, admission):
    let_in(admission, 50, 9)
    admission.inflight = 0

    assert not gate.has_room
    assert not gate.is_easy(10.0)


@pytest.mark.parametrize(
    ("inside", "last_rank", "is_easy"),
    [
        *[(7, 70.0, True), (8, 70.0, False), (8, 50.0, False), (8, 49.0, True)],
        *[(11, 49.0, True), (12, 49.0, False), (0, 100.0, True), (0, 100.1, False)],
    ],
)
def test_it_is_easy_where_the_whole_class_finds_a_place(
    gate, admission, inside, last_rank, is_easy
):
    let_in(admission, 30, inside)

    assert gate.is_easy(last_rank) is is_easy
