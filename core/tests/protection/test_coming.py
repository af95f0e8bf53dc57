"""Those whom the door has let through and who aren't at the gate yet."""

import pytest

from core.protection.admission import Admission
from core.protection.concurrency import FixedLimit
from core.protection.gate import ThreadGate
from core.protection.tally import Reason


@pytest.fixture
def admission():
    return Admission(FixedLimit(2))


@pytest.fixture
def gate(admission):
    return ThreadGate(admission)


def enter(gate, priority=50, **fields):
    return gate.enter(priority=priority, rank=float(priority), **fields)


def queue(admission, priority, count):
    return [
        admission.arrive(priority=priority, rank=float(priority), now=0.0)
        for _ in range(count)
    ]


def refuse_at_once(admission, priority):
    return admission.refuse_at_once(priority=priority, rank=float(priority), now=0.0)


def test_who_enters_is_not_coming_any_more(gate, admission):
    gate.announce()
    assert admission.coming == 1

    enter(gate, is_announced=True)

    assert (admission.coming, admission.inflight) == (0, 1)


@pytest.mark.parametrize("only_looks", [False, True])
def test_who_is_refused_there_is_not_coming_either(gate, admission, only_looks):
    gate.only_looks = only_looks
    gate.announce()

    enter(gate, is_announced=True, seconds=-1.0)

    assert admission.coming == 0


def test_who_waits_there_has_come(gate, admission):
    for _ in range(2):
        enter(gate)
    gate.announce()

    waiter = enter(gate, is_announced=True, seconds=0.01)

    assert waiter.reason is Reason.WAITED_TOO_LONG
    assert admission.coming == 0


def test_who_was_not_announced_takes_no_others_part(gate, admission):
    gate.announce()

    enter(gate)

    assert admission.coming == 1


def test_who_does_not_come_is_withdrawn(gate, admission):
    gate.announce()
    gate.announce()

    gate.withdraw()

    assert admission.coming == 1


def test_there_is_no_room_when_those_coming_take_it(gate):
    gate.announce()
    assert gate.has_room
    gate.announce()
    assert not gate.has_room


# With two places and four to wait, the seventh finds the queue full.


@pytest.mark.parametrize(("coming", "is_refused"), [(5, False), (6, True), (7, True)])
def test_a_herd_is_refused_before_the_first_of_it_has_come(
    admission, coming, is_refused
):
    admission.coming = coming

    assert refuse_at_once(admission, 50) is is_refused
    assert admission.tally.shed == ({(50, Reason.QUEUE_FULL): 1} if is_refused else {})


@pytest.mark.parametrize(("coming", "is_refused"), [(1, False), (2, True)])
def test_those_who_wait_and_those_who_come_fill_the_queue_together(
    admission, coming, is_refused
):
    queue(admission, 50, 4)
    admission.coming = coming

    assert refuse_at_once(admission, 50) is is_refused


def test_those_beyond_the_limit_leave_no_places_for_those_who_come(admission):
    queue(admission, 10, 3)
    admission.coming = 3

    assert not refuse_at_once(admission, 50)


def test_who_is_urgent_is_not_refused_for_those_who_come(admission):
    """Most of them aren't, and will be refused for him."""
    admission.coming = 100

    assert not refuse_at_once(admission, 49)
    assert refuse_at_once(admission, 50)


@pytest.mark.parametrize(("priority", "is_refused"), [(69, False), (70, True)])
def test_nor_is_who_is_more_important_than_one_who_waits(
    admission, priority, is_refused
):
    queue(admission, 70, 3)
    admission.coming = 100

    assert refuse_at_once(admission, priority) is is_refused


@pytest.mark.parametrize(("priority", "is_refused"), [(49, False), (50, True)])
def test_that_urgent_ones_wait_makes_nobody_else_urgent(
    admission, priority, is_refused
):
    queue(admission, 10, 4)
    admission.coming = 100

    assert refuse_at_once(admission, priority) is is_refused


def test_a_herd_lowers_the_threshold(admission):
    admission.coming = 100

    refuse_at_once(admission, 50)

    assert admission.threshold.value == pytest.approx(99.95)


@pytest.mark.parametrize(
    ("inside", "coming", "load"),
    [(0, 2, 0.0), (0, 4, 0.35), (1, 3, 0.5), (2, 2, 0.65), (0, 6, 0.7), (2, 100, 1.0)],
)
def test_those_coming_are_load_where_they_will_have_to_wait(
    admission, inside, coming, load
):
    queue(admission, 50, inside)
    admission.coming = coming

    assert admission.load() == pytest.approx(load)
