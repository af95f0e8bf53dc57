"""Who is let in, who waits, who is refused, and in which order."""

import math

import pytest

from core.protection.admission import Admission
from core.protection.concurrency import FixedLimit
from core.protection.tally import Reason, Tally


@pytest.fixture
def admission():
    return Admission(FixedLimit(2))


def arrive(admission, priority=50, now=0.0, *, rank=None, deadline=math.inf):
    rank = float(priority) if rank is None else rank
    return admission.arrive(priority=priority, rank=rank, now=now, deadline=deadline)


def fill(admission, now=0.0):
    """Take every place, so that whoever comes next has to wait, unless he is urgent."""
    return [
        arrive(admission, 50, now)
        for _ in range(int(admission.limiter.limit) - admission.inflight)
    ]


def leave(admission, waiter, now):
    admission.leave(waiter, now=now, route=None)


def test_up_to_the_limit_are_admitted_at_once(admission):
    first, second, third = (arrive(admission) for _ in range(3))

    assert (first.is_admitted, second.is_admitted) == (True, True)
    assert third.is_waiting
    assert (admission.inflight, admission.queued) == (2, 1)


def test_who_leaves_lets_in_who_waits(admission):
    inside, _ = fill(admission)
    waiting = arrive(admission)

    leave(admission, inside, now=0.02)

    assert waiting.is_admitted
    assert waiting.admitted_at == 0.02
    assert (admission.inflight, admission.queued) == (2, 0)


def test_nobody_passes_those_who_wait(admission):
    fill(admission)
    waiting = arrive(admission)
    admission.inflight -= 1

    late = arrive(admission)

    assert waiting.is_admitted
    assert late.is_waiting


def test_the_queue_holds_twice_the_limit(admission):
    fill(admission)

    waiters = [arrive(admission) for _ in range(5)]

    assert [w.is_waiting for w in waiters] == [True] * 4 + [False]
    assert waiters[-1].reason is Reason.QUEUE_FULL
    assert admission.queued == admission.queue_bound == 4


def test_the_queue_holds_no_more_than_there_are_places():
    admission = Admission(FixedLimit(8), places=3)
    fill(admission)

    waiters = [arrive(admission) for _ in range(4)]

    assert [w.is_waiting for w in waiters] == [True] * 3 + [False]


def test_the_more_important_takes_the_place_of_the_least_important(admission):
    fill(admission)
    waiters = [arrive(admission, priority) for priority in (70, 90, 60, 90)]

    better = arrive(admission, 50)

    assert better.is_waiting
    assert [w.reason for w in waiters] == [None, Reason.PRIORITY, None, None]
    assert admission.queued == 4


def test_within_a_class_the_rank_says_who_has_to_go(admission):
    fill(admission)
    waiters = [arrive(admission, 70, rank=rank) for rank in (71, 89, 72, 80)]

    assert arrive(admission, 50).is_waiting

    assert [w.is_waiting for w in waiters] == [True, False, True, True]


def test_within_a_class_nobody_takes_anothers_place(admission):
    """To wait and be thrown out costs more than to be refused."""
    fill(admission)
    waiters = [arrive(admission, 50, rank=rank) for rank in (51, 69, 52, 60)]

    assert at_once(admission, 50) == [True]
    assert arrive(admission, 50, rank=50).reason is Reason.QUEUE_FULL
    assert all(w.is_waiting for w in waiters)


@pytest.mark.parametrize("way", ["arrive", "refuse_at_once"])
def test_who_finds_the_queue_full_lowers_the_threshold_a_little(admission, way):
    fill(admission)
    for _ in range(4):
        arrive(admission, 50)
    before = admission.threshold.value

    getattr(admission, way)(priority=50, rank=60.0, now=0.0)

    assert admission.threshold.value == pytest.approx(before - 0.05)


@pytest.mark.parametrize("way", ["arrive", "refuse_at_once"])
def test_who_finds_a_place_in_the_queue_does_not(admission, way):
    fill(admission)
    for _ in range(3):
        arrive(admission, 60)
    before = admission.threshold.value

    getattr(admission, way)(priority=60, rank=60.0, now=0.0)
    getattr(admission, way)(priority=50, rank=50.0, now=0.0)

    assert admission.threshold.value == before


def test_a_queue_that_has_become_too_long_takes_nobody():
    admission = Admission(FixedLimit(8))
    fill(admission)
    waiters = [arrive(admission) for _ in range(9)]
    admission.limiter.limit = admission.limiter.usual_limit = 4.0

    assert arrive(admission).reason is Reason.QUEUE_FULL
    assert at_once(admission, 49, 50) == [False, True]
    assert all(w.is_waiting for w in waiters)


def test_where_the_limit_has_fallen_nobody_is_let_in_before_as_many_have_left():
    admission = Admission(FixedLimit(4))
    inside = fill(admission)
    admission.limiter.limit = admission.limiter.usual_limit = 2.0
    waiter = arrive(admission)

    for one in inside[:2]:
        leave(admission, one, now=0.01)
        assert waiter.is_waiting
    leave(admission, inside[2], now=0.02)

    assert waiter.is_admitted


@pytest.mark.parametrize("priority", [50, 60])
def test_an_equal_or_a_lesser_takes_nobodys_place(admission, priority):
    fill(admission)
    waiters = [arrive(admission, 50) for _ in range(4)]

    late = arrive(admission, priority)

    assert late.reason is Reason.QUEUE_FULL
    assert all(w.is_waiting for w in waiters)


def test_the_most_important_is_next(admission):
    inside, _ = fill(admission)
    export, product, page = (arrive(admission, p) for p in (90, 50, 70))

    leave(admission, inside, now=0.01)
    assert product.is_admitted
    leave(admission, product, now=0.02)
    assert page.is_admitted
    leave(admission, page, now=0.03)
    assert export.is_admitted


def test_within_a_class_the_first_is_next(admission):
    inside, _ = fill(admission)
    first, second = (arrive(admission, now=n / 100) for n in range(2))

    leave(admission, inside, now=0.02)

    assert (first.is_admitted, second.is_admitted) == (True, False)


def stand(admission, priority=50, until=1.0):
    """Keep the class's queue above CoDel's target for a whole interval."""
    oldest = [arrive(admission, priority, 0.0)]
    now = 0.05
    while now <= until:
        oldest.append(arrive(admission, priority, now))
        now += 0.2
    return oldest


def test_under_overload_the_last_is_next():
    admission = Admission(FixedLimit(8))
    inside = fill(admission)
    waiters = stand(admission, until=0.5)
    old, young = (arrive(admission, now=0.55 + n / 100) for n in range(2))

    leave(admission, inside[0], now=0.58)

    assert (old.is_admitted, young.is_admitted) == (False, True)
    assert [w.is_waiting for w in waiters] == [True] * 4


@pytest.mark.parametrize(("now", "patience"), [(0.54, 0.5), (0.55, 0.05), (0.56, 0.05)])
def test_under_overload_a_newcomer_waits_no_longer_than_the_target(now, patience):
    """The queue stands when it was above 50 ms for 500 ms."""
    admission = Admission(FixedLimit(8))
    fill(admission)
    stand(admission, until=0.5)

    late = arrive(admission, now=now)

    assert late.give_up_at == pytest.approx(now + patience)


def test_one_class_may_be_overloaded_and_another_not():
    admission = Admission(FixedLimit(8))
    inside = fill(admission)
    stand(admission, 70, until=0.5)
    first, second = (arrive(admission, 50, now=0.56 + n / 100) for n in range(2))

    leave(admission, inside[0], now=0.58)

    assert (first.is_admitted, second.is_admitted) == (True, False)


def test_a_queue_that_was_short_once_is_not_standing():
    admission = Admission(FixedLimit(8))
    inside = fill(admission)
    for waiter in stand(admission, until=0.5):
        admission.give_up(waiter, 0.5)
    # Nobody waits too long now, so the interval begins anew.
    first, second = (arrive(admission, now=0.51 + n / 100) for n in range(2))

    leave(admission, inside[0], now=0.57)

    assert (first.is_admitted, second.is_admitted) == (True, False)


@pytest.mark.parametrize("later", [0.5, 0.6])
def test_nobody_waits_longer_than_half_a_second(admission, later):
    inside, _ = fill(admission)
    waiter = arrive(admission)
    assert waiter.give_up_at == 0.5

    leave(admission, inside, now=later)

    assert waiter.reason is Reason.WAITED_TOO_LONG
    assert (admission.inflight, admission.queued) == (1, 0)


def test_nobody_waits_past_his_deadline(admission):
    fill(admission)

    assert arrive(admission, deadline=0.2).give_up_at == 0.2


@pytest.mark.parametrize("deadline", [1.0, 0.5])
def test_who_comes_after_his_deadline_is_refused(admission, deadline):
    assert arrive(admission, now=1.0, deadline=deadline).reason is Reason.DEADLINE
    assert admission.inflight == 0


def test_who_gives_up_is_out_of_the_queue(admission):
    inside, _ = fill(admission)
    waiter = arrive(admission)

    admission.give_up(waiter, 0.5)
    leave(admission, inside, now=0.6)

    assert waiter.reason is Reason.WAITED_TOO_LONG
    assert (admission.inflight, admission.queued) == (1, 0)


def test_giving_up_too_late_changes_nothing(admission):
    (admitted, _) = fill(admission)
    admission.give_up(admitted, 1.0)

    assert admitted.reason is None
    assert admission.inflight == 2


def test_whoever_settles_a_waiter_wakes_it(admission):
    inside, _ = fill(admission)
    woken = []
    admitted, evicted = arrive(admission, 50), arrive(admission, 90)
    for waiter in (admitted, evicted):
        waiter.wake = lambda waiter=waiter: woken.append(waiter)

    leave(admission, inside, now=0.01)
    for _ in range(4):
        arrive(admission, 50, 0.02)

    assert woken == [admitted, evicted]


def test_who_steps_aside_lets_in_who_waits_and_comes_back_without_waiting(admission):
    inside, _ = fill(admission)
    waiter = arrive(admission)

    admission.step_aside(inside, 0.1)
    assert waiter.is_admitted
    assert (admission.inflight, admission.aside) == (2, 1)
    admission.step_back(inside, 0.4)

    assert (admission.inflight, admission.aside) == (3, 0)
    leave(admission, waiter, now=0.2)
    assert admission.inflight == 2


def test_the_time_aside_is_not_learned_from():
    admission = Admission(Watched())
    waiter = arrive(admission, now=1.0)
    for now in (1.5, 3.5):
        admission.step_aside(waiter, now)
        admission.step_back(waiter, now + 1.0)

    admission.leave(waiter, now=5.0, route="a")

    assert admission.limiter.seen == [("a", 2.0, 1)]


def test_trying_out_admits_and_counts():
    admission = Admission(FixedLimit(3))
    take = admission.admit_anyway
    waiters = [take(priority=50, rank=50.0, now=0.0) for _ in range(12)]
    late = take(priority=50, rank=50.0, now=1.0, deadline=0.5)

    assert all(w.is_admitted for w in [*waiters, late])
    assert admission.inflight == 13
    assert admission.tally.would_shed == {
        (50, Reason.QUEUE_FULL): 3,
        (50, Reason.DEADLINE): 1,
    }
    assert admission.tally.shed == {}


def test_the_tally_counts_who_came_to_what(admission):
    inside, _ = fill(admission, now=1.0)
    for _ in range(5):
        arrive(admission, 70, now=1.0)
    leave(admission, inside, now=1.02)

    tally = admission.tally
    assert tally.admitted == {50: 2, 70: 1}
    assert tally.shed == {(70, Reason.QUEUE_FULL): 1}
    assert tally.waits == {3: 1}
    assert tally.wait_seconds == pytest.approx(0.02)


def test_waits_are_counted_by_how_long_they_were():
    tally = Tally()
    for wait in [0.001, 0.002, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.25, 0.5, 0.6]:
        tally.note_wait(wait)

    # Who waited longer than the last bound comes last.
    assert tally.waits == {0: 1, 1: 2, 2: 1, 3: 2, 4: 1, 5: 1, 6: 1, 7: 1, -1: 1}


class Watched(FixedLimit):
    def __init__(self):
        super().__init__(3)
        self.seen = []

    def finished(self, route, seconds, *, inflight, now):
        self.seen.append((route, seconds, inflight))


def test_the_limiter_learns_the_time_inside_and_the_most_company():
    admission = Admission(Watched())
    first = arrive(admission, now=1.0)
    second = arrive(admission, now=1.5)
    third = arrive(admission, now=1.6)

    admission.leave(second, now=2.0, route="b")
    admission.leave(third, now=2.5, route=None)
    admission.leave(first, now=3.0, route="a")

    assert admission.limiter.seen == [("b", 0.5, 3), ("a", 2.0, 1)]


# Load and threshold


def test_below_the_threshold_many_wait_above_it_nobody(admission):
    fill(admission)
    admission.threshold.value = 60.0

    assert [arrive(admission, 50, rank=59.9).is_waiting for _ in range(2)] == [True] * 2
    assert arrive(admission, 50, rank=60.0).reason is Reason.PRIORITY


def at_once(admission, *ranks):
    return [
        admission.refuse_at_once(priority=int(rank), rank=rank, now=0.0)
        for rank in ranks
    ]


def test_who_is_not_worth_queueing_is_refused_at_once(admission):
    fill(admission)
    admission.threshold.value = 40.0

    assert at_once(admission, 10, 39.9, 40, 90) == [False, False, True, True]
    assert admission.tally.shed == {(40, Reason.PRIORITY): 1, (90, Reason.PRIORITY): 1}


def test_whom_nobody_who_waits_would_make_room_for_is_refused_at_once(admission):
    fill(admission)
    assert at_once(admission, 90) == [False]
    for rank in (51, 53, 60, 55):
        arrive(admission, int(rank), rank=rank)

    assert at_once(admission, 10, 59.9, 60, 70) == [False, False, True, True]
    assert admission.tally.shed == {
        (60, Reason.QUEUE_FULL): 1,
        (70, Reason.QUEUE_FULL): 1,
    }


def test_who_is_worth_queueing_is_not_refused_at_once_because_others_wait(admission):
    fill(admission)
    arrive(admission)
    admission.threshold.value = 60.0

    assert at_once(admission, 59.9, 60) == [False, True]


def test_who_is_not_worth_queueing_passes_nobody_who_waits(admission):
    fill(admission)
    arrive(admission)
    admission.threshold.value = 40.0
    # A place has become free and nobody was called yet.
    admission.inflight -= 1

    assert arrive(admission, 50, rank=50.0).reason is Reason.PRIORITY


def test_nobody_is_refused_at_once_while_places_are_free(admission):
    admission.threshold.value = 20.0

    assert at_once(admission, 90) == [False]


def test_who_is_refused_at_once_is_load_all_the_same(admission):
    fill(admission)
    for _ in range(4):
        arrive(admission, 50)

    for n in range(400):
        assert admission.refuse_at_once(priority=50, rank=50.0, now=n / 20)

    assert admission.threshold.value == 20.0


def test_free_places_are_used_whatever_the_threshold():
    admission = Admission(FixedLimit(10))
    admission.threshold.value = 40.0
    taken = [arrive(admission, 90, rank=90.0) for _ in range(12)]

    # So much less important than the threshold asks for so much more room.
    assert [w.is_admitted for w in taken] == [True] * 5 + [False] * 7
    assert taken[5].reason is Reason.PRIORITY
    assert arrive(admission, 50, rank=50.0).is_admitted


@pytest.mark.parametrize(
    ("inside", "waiting", "load"),
    [(0, 0, 0.0), (1, 0, 0.15), (2, 0, 0.3), (2, 2, 0.65), (2, 4, 1.0)],
)
def test_the_load_is_who_is_inside_and_who_waits(admission, inside, waiting, load):
    for _ in range(inside + waiting):
        arrive(admission)

    assert admission.load() == pytest.approx(load)


def test_the_load_is_a_mean_over_many_looks(admission):
    fill(admission)
    for n in range(5000):
        # Too late to be let in, so nothing changes.
        arrive(admission, now=n / 200, deadline=0.0)

    assert admission.threshold.load == pytest.approx(0.3, abs=0.001)


def test_signs_from_outside_count_as_load():
    signs = [0.9]
    admission = Admission(FixedLimit(2), outside_load=lambda: signs[0])
    for n in range(600):
        leave(admission, arrive(admission, now=n / 10), now=n / 10)

    assert admission.threshold.value == pytest.approx(27.1, abs=0.01)


@pytest.mark.parametrize("inside", [6, 9])
def test_those_let_in_to_try_it_out_count_as_waiting(inside):
    admission = Admission(FixedLimit(2))
    for _ in range(inside):
        admission.admit_anyway(priority=10, rank=10.0, now=0.0)

    assert admission.load() == 1.0


class Looking(Admission):
    """Counts how often it looks around."""

    looks = 0

    def load(self):
        self.looks += 1
        return super().load()


class Ticking(FixedLimit):
    ticks = 0

    def tick(self, now):
        self.ticks += 1


@pytest.mark.parametrize("way", ["arrive", "admit_anyway", "refuse_at_once"])
def test_however_many_arrive_only_some_look_around(way):
    admission = Looking(Ticking(2))
    if way == "refuse_at_once":
        for _ in range(6):
            arrive(admission)
    for n in range(10_000):
        getattr(admission, way)(priority=50, rank=50.0, now=n / 10_000)

    # Every 2 ms one looks, every 50 ms something follows from it.
    assert 450 <= admission.looks <= 500
    assert 19 <= admission.limiter.ticks <= 20
