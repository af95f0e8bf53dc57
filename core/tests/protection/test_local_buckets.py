"""Token buckets in this process's memory, and what is said to those in Valkey."""

import pytest
from redis.exceptions import NoScriptError

from core.protection.token_bucket import (
    SCRIPT,
    SCRIPT_NAME,
    Bucket,
    Level,
    LocalBuckets,
    SharedBuckets,
)


class Clock:
    def __init__(self):
        self.now = 3.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def buckets(clock):
    return LocalBuckets(clock=clock)


def take(buckets, *wanted):
    return [(level.remaining, level.wait_seconds) for level in buckets.take(wanted)]


def test_a_new_bucket_is_full(buckets):
    assert take(buckets, Bucket("a", 10, 2)) == [(9, 0)]


def test_it_gains_its_rate_and_never_more_than_it_holds(buckets, clock):
    bucket = Bucket("a", 10, 2, cost=4)
    assert take(buckets, bucket) == [(6, 0)]
    clock.now += 0.5
    assert take(buckets, bucket) == [(3, 0)]
    clock.now += 100
    assert take(buckets, bucket) == [(6, 0)]


def test_a_clock_that_runs_backwards_takes_nothing_away(buckets, clock):
    bucket = Bucket("a", 10, 2, cost=4)
    take(buckets, bucket)
    clock.now -= 2

    assert take(buckets, bucket) == [(2, 0)]


def test_short_says_how_long_to_wait_and_takes_nothing(buckets, clock):
    bucket = Bucket("a", 10, 2, cost=8)
    take(buckets, bucket)

    assert take(buckets, bucket) == [(2, 3)]
    assert take(buckets, bucket) == [(2, 3)]
    clock.now += 3
    assert take(buckets, bucket) == [(0, 0)]


def test_one_that_is_short_keeps_the_others_whole(buckets):
    take(buckets, Bucket("small", 1, 1))

    assert take(buckets, Bucket("large", 10, 1, cost=3), Bucket("small", 1, 1)) == [
        (10, 0),
        (0, 1),
    ]
    assert take(buckets, Bucket("large", 10, 1)) == [(9, 0)]


def test_one_that_only_counts_keeps_nobody(buckets):
    counting = Bucket("small", 1, 1, refuses=False)
    take(buckets, counting)

    assert take(buckets, Bucket("large", 10, 1, cost=3), counting) == [(7, 0), (0, 1)]
    assert take(buckets, counting) == [(0, 1)]


def test_giving_back_fills_no_bucket_beyond_its_size(buckets):
    take(buckets, Bucket("a", 10, 1, cost=1))

    assert take(buckets, Bucket("a", 10, 1, cost=-5)) == [(10, 0)]
    assert take(buckets, Bucket("a", 10, 1, cost=10)) == [(0, 0)]


def test_what_rounding_loses_refuses_nobody(buckets):
    bucket = Bucket("a", 1, 1, cost=1 + 5e-10)

    assert take(buckets, bucket) == [(0, 0)]
    [level] = LocalBuckets(clock=Clock()).take([Bucket("a", 1, 1, cost=1 + 2e-9)])
    assert level.is_short


def test_level_is_short_while_one_has_to_wait():
    assert not Level(0, 0.0).is_short
    assert Level(5, 0.5).is_short


def test_the_least_recently_used_is_forgotten_first(clock):
    buckets = LocalBuckets(size=2, clock=clock)
    for key in ("a", "b", "a", "c"):
        take(buckets, Bucket(key, 10, 1e-9))

    assert len(buckets) == 2
    assert take(buckets, Bucket("a", 10, 1e-9))[0][0] == pytest.approx(7)
    assert take(buckets, Bucket("b", 10, 1e-9)) == [(9, 0)]


def test_strict_ones_are_kept_apart(clock):
    buckets = LocalBuckets(size=1, clock=clock)
    take(buckets, Bucket("a", 10, 1e-9, is_strict=True))
    take(buckets, Bucket("b", 10, 1e-9))
    take(buckets, Bucket("c", 10, 1e-9))

    assert len(buckets) == 2
    left = take(buckets, Bucket("a", 10, 1e-9, is_strict=True))[0][0]
    assert left == pytest.approx(8)
    assert take(buckets, Bucket("a", 10, 1e-9)) == [(9, 0)]


def test_ten_thousand_of_each_sort_are_kept():
    buckets = LocalBuckets(clock=lambda: 1.0)
    for number in range(10_001):
        buckets.take([Bucket(str(number), 10, 1)])

    assert len(buckets) == 10_000


class Server:
    """Takes Valkey's place for what is said to it; others ask the real one."""

    def __init__(self, *, knows):
        self.knows = knows
        self.heard = []

    def __call__(self, *words):
        self.heard.append(words)
        if words[0] == "EVALSHA" and not self.knows:
            raise NoScriptError
        return [b"8.5", 0, b"0.25", 1750]


ARGUMENTS = (2, "a", "b", 10, 2, 1, 1, 20, 4, 3, 0)


def asked(server):
    return SharedBuckets(server).take(
        [Bucket("a", 10, 2), Bucket("b", 20, 4, cost=3, refuses=False)]
    )


def test_the_server_is_asked_once_for_all(request):
    server = Server(knows=True)

    assert asked(server) == [Level(8.5, 0), Level(0.25, 1.75)]
    assert server.heard == [("EVALSHA", SCRIPT_NAME, *ARGUMENTS)]


def test_a_server_that_has_forgotten_the_script_is_taught():
    server = Server(knows=False)

    assert asked(server) == [Level(8.5, 0), Level(0.25, 1.75)]
    assert server.heard[1:] == [("EVAL", SCRIPT, *ARGUMENTS)]
