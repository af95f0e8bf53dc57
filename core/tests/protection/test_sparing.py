"""Fewer questions, and not one request more than the bucket holds."""

import pytest
import redis

from core.protection.sparing import PREPAID_SHARE, SparingBuckets
from core.protection.token_bucket import Bucket, LocalBuckets

CAPACITY = 100
CREDIT = int(CAPACITY * PREPAID_SHARE)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Counting(LocalBuckets):
    """Stands for Valkey: every process of the test asks this one."""

    asked = 0
    is_out = False

    def take(self, buckets):
        self.asked += 1
        if self.is_out:
            raise redis.TimeoutError
        return super().take(buckets)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    return Counting(clock=clock)


@pytest.fixture
def sparing(server, clock):
    return SparingBuckets(server, clock=clock)


def bucket(capacity=CAPACITY, rate=0.0001, **fields):
    return Bucket("x", capacity, rate, **fields)


def admitted(buckets, times, demand=None):
    demand = demand or bucket()
    return sum(not buckets.take([demand])[0].is_short for _ in range(times))


def test_a_full_bucket_is_asked_for_one_request_in_five(sparing, server):
    assert admitted(sparing, 50) == 50

    assert server.asked == 50 / (CREDIT + 1)


def test_a_bucket_below_half_is_asked_for_every_request(sparing, server):
    admitted(sparing, 60)
    before = server.asked

    admitted(sparing, 20)

    assert server.asked - before == 20


def test_a_small_bucket_is_asked_for_every_request(sparing, server):
    assert admitted(sparing, 10, bucket(capacity=5)) == 5

    assert server.asked == 10


def test_one_that_holds_exactly_half_still_gives_in_advance(sparing, server):
    server.take([bucket(cost=CAPACITY / 2 - CREDIT - 1)])
    before = server.asked

    # Asked once, half is left; asked again, less.
    admitted(sparing, 2 * (CREDIT + 1))

    assert server.asked - before == 2


def test_one_that_has_filled_up_is_asked_less_often_again(sparing, server, clock):
    fast = bucket(rate=10)
    admitted(sparing, 60, fast)
    clock.now += 5
    before = server.asked

    # The first sees that it is more than half full again.
    admitted(sparing, 1 + 2 * (CREDIT + 1), fast)

    assert server.asked - before == 3


def test_a_strict_bucket_gives_nothing_in_advance(sparing, server):
    strict = bucket(is_strict=True)
    left = []
    for _ in range(3):
        admitted(sparing, 1, strict)
        left.append(server.take([bucket(cost=0, is_strict=True)])[0].remaining)

    assert left == [CAPACITY - 1, CAPACITY - 2, CAPACITY - 3]


@pytest.mark.parametrize("processes", [1, 2, 8, 12])
def test_processes_together_grant_exactly_what_there_is(server, clock, processes):
    several = [SparingBuckets(server, clock=clock) for _ in range(processes)]

    total = sum(
        not one.take([bucket()])[0].is_short for _ in range(CAPACITY) for one in several
    )

    assert total == CAPACITY


def test_one_after_another_lacks_only_what_the_others_hold(server, clock):
    several = [SparingBuckets(server, clock=clock) for _ in range(4)]
    for one in several:
        one.take([bucket()])

    last = admitted(several[-1], CAPACITY)

    assert last == CAPACITY - 4 - 3 * CREDIT


def test_what_is_left_over_goes_back_after_a_second(sparing, server, clock):
    admitted(sparing, 1)
    assert round(server.take([bucket(cost=0)])[0].remaining) == CAPACITY - 1 - CREDIT

    clock.now += 1.01
    admitted(sparing, 1)

    assert server.asked == 3
    assert round(server.take([bucket(cost=0)])[0].remaining) == CAPACITY - 2 - CREDIT


def test_what_goes_back_makes_no_bucket_fuller_than_full(sparing, server, clock):
    fast = bucket(rate=100)
    sparing.take([fast])
    clock.now += 60

    sparing.take([fast])

    assert server.take([bucket(rate=100, cost=0)])[0].remaining == CAPACITY - 1


def test_the_rate_is_kept_to_over_a_long_time(sparing, clock):
    demand = bucket(rate=10)
    total = 0

    for _ in range(10_000):
        total += admitted(sparing, 1, demand)
        clock.now += 0.02

    assert total == pytest.approx(CAPACITY + 10 * 200, abs=1)


def test_what_is_left_falls_with_every_request(sparing):
    left = [sparing.take([bucket()])[0].remaining for _ in range(12)]

    assert [round(number) for number in left] == list(range(99, 87, -1))


def test_nobody_waits_for_what_was_taken_before(sparing):
    levels = [sparing.take([bucket()])[0] for _ in range(CREDIT + 2)]

    assert [level.wait_seconds for level in levels] == [0] * (CREDIT + 2)


def test_an_outage_loses_nothing_that_was_held(sparing, server, clock):
    admitted(sparing, 1)
    server.is_out = True
    clock.now += 2
    for _ in range(3):
        with pytest.raises(redis.TimeoutError):
            sparing.take([bucket()])
    server.is_out = False

    (level,) = sparing.take([bucket()])

    assert round(level.remaining) == CAPACITY - 2


def test_a_refusal_by_another_bucket_takes_nothing(sparing, server, clock):
    empty = Bucket("y", 1, 0.0001)
    server.take([empty])
    admitted(sparing, 1)

    first, second = sparing.take([bucket(), empty])

    assert (round(first.remaining), second.is_short) == (CAPACITY - 1, True)
    assert round(sparing.take([bucket()])[0].remaining) == CAPACITY - 2


def test_a_refusal_by_another_bucket_gives_nothing_in_advance(sparing, server):
    empty = Bucket("y", 1, 0.0001)
    server.take([empty])

    sparing.take([bucket(), empty])

    assert admitted(sparing, 2 * CAPACITY) == CAPACITY


@pytest.mark.parametrize("left", [1, 2])
def test_the_last_requests_are_granted_without_anything_in_advance(server, clock, left):
    server.take([bucket(cost=CAPACITY - left)])
    newcomer = SparingBuckets(server, clock=clock)

    assert [admitted(newcomer, 1) for _ in range(left + 1)] == [1] * left + [0]


def test_what_a_process_still_holds_counts_when_others_have_emptied_the_bucket(
    sparing, server, clock
):
    admitted(sparing, 1)
    server.take([bucket(cost=CAPACITY - 1 - CREDIT)])
    clock.now += 1.01

    # It holds the credit and needs one less, so there is enough, but none in advance.
    [level] = sparing.take([bucket(cost=CREDIT - 1)])

    assert not level.is_short
    assert round(server.take([bucket(cost=0)])[0].remaining) == 1


def test_one_that_must_be_asked_takes_the_others_with_it(sparing, server):
    small = Bucket("small", 5, 0.0001)
    for _ in range(5):
        sparing.take([bucket(), small])

    assert server.asked == 5
    assert sparing.take([bucket(), small])[1].is_short
    assert round(sparing.take([bucket()])[0].remaining) == CAPACITY - 6


def test_memory_is_bounded(server, clock):
    sparing = SparingBuckets(server, size=100, clock=clock)

    for number in range(1000):
        sparing.take([Bucket(f"ip:{number}", CAPACITY, 1)])

    assert len(sparing) == 100


def test_the_least_recently_asked_is_forgotten_first(server, clock):
    sparing = SparingBuckets(server, size=2, clock=clock)
    for key in ("a", "b", "c"):
        sparing.take([Bucket(key, CAPACITY, 0.0001)])
    asked = server.asked

    sparing.take([Bucket("c", CAPACITY, 0.0001)])
    assert server.asked == asked
    sparing.take([Bucket("a", CAPACITY, 0.0001)])
    assert server.asked == asked + 1


def test_ten_thousand_are_remembered(server, clock):
    sparing = SparingBuckets(server, clock=clock)
    for number in range(10_001):
        sparing.take([Bucket(str(number), CAPACITY, 0.0001)])

    assert len(sparing) == 10_000
