"""The limit finds its place by what requests take, and the baseline isn't fooled."""

from random import Random

import pytest

from core.protection.concurrency import (
    FLOOR,
    AdaptiveLimit,
    Baselines,
    FixedLimit,
    GradientLimit,
    NoLimit,
)


def feed(limiter, *, slowness, windows=1, inflight=None, start=0.0):
    """Show the limiter so many whole windows of requests that were so slow."""
    for window in range(windows):
        for n in range(20):
            limiter.observe(
                0.1 * slowness,
                0.1,
                inflight=int(limiter.limit) if inflight is None else inflight,
                now=start + window + n / 20,
            )
    return limiter.limit


def test_the_limit_starts_at_the_floor_and_grows_while_all_is_well():
    limiter = GradientLimit(cap=100)

    assert limiter.limit == FLOOR
    limits = [feed(limiter, slowness=1.0, start=n) for n in range(5)]
    assert limits == sorted(limits)
    assert limits[-1] > 2 * FLOOR


def test_the_limit_never_passes_its_cap():
    assert feed(GradientLimit(cap=8), slowness=0.5, windows=50) == 8


def test_the_limit_never_falls_below_its_floor():
    limiter = GradientLimit(cap=8)
    feed(limiter, slowness=1.0, windows=10)

    assert feed(limiter, slowness=1000.0, windows=50, start=100) == FLOOR


def test_a_cap_below_the_floor_is_the_floor():
    assert feed(GradientLimit(cap=1), slowness=0.5, windows=9) == FLOOR


def test_the_limit_falls_by_no_more_than_a_half_of_what_one_window_says():
    limiter = GradientLimit(cap=100)
    before = feed(limiter, slowness=1.0, windows=20)

    after = feed(limiter, slowness=1e6, start=100)

    # Half of the limit and its room is wanted, and half the way is gone.
    assert after == pytest.approx(0.75 * before + 0.25 * before**0.5)


def test_the_limit_rises_by_no_more_than_double_what_one_window_says():
    limiter = GradientLimit(cap=100)

    after = feed(limiter, slowness=1e-6)

    assert after == pytest.approx(FLOOR + (2 * FLOOR + 0.5 * 2**0.5 - FLOOR) / 2)


def test_the_limit_settles_where_requests_take_about_twice_as_long():
    limiter = GradientLimit(cap=100)
    for n in range(200):
        # One server: with n inside each takes n times as long.
        feed(limiter, slowness=max(1.0, int(limiter.limit) / 4), start=n)

    assert 6 <= limiter.limit <= 9
    assert 1.5 <= limiter.slowness <= 2.25


def test_an_idle_house_raises_no_limit():
    limiter = GradientLimit(cap=100)
    feed(limiter, slowness=1.0, windows=5)
    before = limiter.limit

    assert feed(limiter, slowness=1.0, windows=50, inflight=1, start=10) == before


def test_an_idle_house_lowers_the_limit_if_it_is_slow():
    limiter = GradientLimit(cap=100)
    before = feed(limiter, slowness=1.0, windows=9)

    assert feed(limiter, slowness=9.0, inflight=1, start=10) < before


def test_a_window_waits_for_its_samples():
    limiter = GradientLimit(cap=100)

    for now in range(19):
        limiter.observe(0.1, 0.1, inflight=9, now=float(now))

    assert limiter.limit == FLOOR
    limiter.observe(0.1, 0.1, inflight=9, now=19.0)
    assert limiter.limit > FLOOR


def test_a_window_waits_for_its_time():
    limiter = GradientLimit(cap=100)
    for _ in range(20):
        limiter.observe(0.1, 0.1, inflight=9, now=0.0)
    first = limiter.limit

    for _ in range(100):
        limiter.observe(0.1, 0.1, inflight=9, now=0.249)

    assert limiter.limit == first
    limiter.observe(0.1, 0.1, inflight=9, now=0.25)
    assert limiter.limit > first


def test_short_requests_that_wait_their_turn_do_not_outvote_long_ones():
    limiter = GradientLimit(cap=100)
    feed(limiter, slowness=1.0, windows=9)
    before = limiter.limit

    # Fifteen reads of half a millisecond waited five each; five checkouts were on time.
    for n in range(20):
        expected, taken = (0.0005, 0.005) if n % 4 else (0.1, 0.1)
        limiter.observe(taken, expected, inflight=int(before), now=100.0)

    assert limiter.slowness == pytest.approx(1.13, abs=0.01)
    assert limiter.mean_taken == pytest.approx((15 * 0.005 + 5 * 0.1) / 20)
    assert limiter.mean_expected == pytest.approx((15 * 0.0005 + 5 * 0.1) / 20)
    assert limiter.limit > before


def test_one_stuck_request_is_no_overload():
    limiter = GradientLimit(cap=100)
    before = feed(limiter, slowness=1.0, windows=9)

    for n in range(20):
        taken = 30.0 if n == 0 else 0.1
        limiter.observe(taken, 0.1, inflight=int(before), now=100.0)

    assert limiter.slowness == pytest.approx(1.45)
    assert limiter.limit > before


# Baselines


def test_a_route_that_was_not_seen_is_not_expected():
    assert Baselines().expected("a") is None


def test_a_baseline_begins_with_the_fastest_of_the_first():
    baselines = Baselines()

    for seconds in (9.0, 0.1, *[0.5] * 18):
        baselines.learn("a", seconds)

    assert baselines.expected("a") == 0.1
    assert baselines.expected("b") is None
    baselines.learn("a", 0.5)
    assert baselines.expected("a") == pytest.approx(0.1 + 0.03 * 0.4)


def test_a_baseline_settles_at_the_faster_requests():
    baselines = Baselines()
    random = Random(3)  # noqa: S311 -- repeatable

    for _ in range(5000):
        baselines.learn("a", random.expovariate(10))

    assert 0.03 < baselines.expected("a") < 0.09


def test_a_baseline_falls_sooner_than_it_rises():
    up, down = Baselines(), Baselines()
    for baselines in (up, down):
        for _ in range(20):
            baselines.learn("a", 0.2)

    up.learn("a", 0.4)
    down.learn("a", 0.1)

    assert up.expected("a") == pytest.approx(0.2 + 0.03 * 0.2)
    assert down.expected("a") == pytest.approx(0.2 - 0.1 * 0.1)


def test_one_stuck_request_hardly_moves_a_baseline():
    baselines = Baselines()
    for _ in range(20):
        baselines.learn("a", 0.1)

    baselines.learn("a", 3600.0)

    assert baselines.expected("a") == pytest.approx(0.1 + 0.03 * 0.9)


def test_baselines_are_bounded():
    baselines = Baselines(most_routes=2)

    for route in ("a", "b", "c", "a"):
        baselines.learn(route, 0.1)

    assert [baselines.expected(route) for route in "abc"] == [0.1, 0.1, None]


# The two together


def finish(limiter, seconds, *, inflight, start=0.0, count=20, route="a"):
    for n in range(count):
        limiter.finished(route, seconds, inflight=inflight, now=start + n / 100)


def adaptive(cap=16):
    return AdaptiveLimit(cap=cap, random=Random(1))  # noqa: S311 -- repeatable


@pytest.mark.parametrize("inflight", [1, FLOOR])
def test_only_calm_requests_are_learned_from(inflight):
    limiter = adaptive()

    finish(limiter, 0.1, inflight=inflight)
    finish(limiter, 9.0, inflight=FLOOR + 1, start=1.0)

    assert limiter.baselines.expected("a") == pytest.approx(0.1)


def test_a_route_that_was_never_calm_moves_no_limit():
    limiter = adaptive()

    finish(limiter, 9.0, inflight=FLOOR + 1, count=1000)

    assert limiter.limit == FLOOR
    assert limiter.gradient.slowness == 1.0


def test_once_a_minute_a_busy_server_is_held_at_the_floor_for_a_second():
    limiter = adaptive()
    finish(limiter, 0.1, inflight=FLOOR)
    for second in range(1, 30):
        finish(limiter, 0.1, inflight=int(limiter.limit) + 1, start=float(second))
    usual = limiter.limit
    assert usual > FLOOR

    calm = []
    for tenth in range(300, 1000):
        limiter.tick(tenth / 10)
        if limiter.limit == FLOOR:
            calm.append(tenth / 10)
        assert limiter.usual_limit == usual

    assert 48 <= calm[0] <= 73
    assert calm[-1] - calm[0] == pytest.approx(0.9)
    limiter.tick(calm[-1] + 0.1)
    assert limiter.limit == usual


def test_the_moment_of_calm_ends_though_nothing_happened_at_its_end():
    limiter = AdaptiveLimit(cap=16)
    limiter.tick(0.0)
    limiter.tick(73.0)
    assert limiter._calm_until == 74.0  # noqa: SLF001 -- how long it would last

    limiter.tick(80.0)

    assert limiter._calm_until is None  # noqa: SLF001 -- over


def test_the_moment_of_calm_ends_with_enough_requests():
    limiter = adaptive()
    limiter.tick(0.0)
    limiter.tick(73.0)
    assert limiter._calm_until == 74.0  # noqa: SLF001 -- how long it would last

    finish(limiter, 0.1, inflight=FLOOR, count=49, start=73.0)
    assert limiter._calm_until == 74.0  # noqa: SLF001 -- still
    finish(limiter, 0.1, inflight=FLOOR, count=1, start=73.5)

    assert limiter._calm_until is None  # noqa: SLF001 -- over


def test_a_moment_of_calm_says_nothing_about_the_limit():
    limiter = adaptive()
    finish(limiter, 0.1, inflight=FLOOR)
    limiter.tick(73.0)
    before = limiter.usual_limit

    finish(limiter, 9.0, inflight=FLOOR + 1, count=40, start=73.1)

    assert limiter.usual_limit == before


def test_processes_do_not_take_their_moments_together():
    starts = set()
    for seed in range(50):
        limiter = AdaptiveLimit(cap=16, random=Random(seed))  # noqa: S311 -- repeatable
        limiter.tick(0.0)
        starts.add(round(limiter._calm_due, 3))  # noqa: SLF001 -- when it is planned

    assert len(starts) == 50
    assert 48 <= min(starts) < 50
    assert 70 < max(starts) <= 72


@pytest.mark.parametrize(("limiter", "limit"), [(FixedLimit(5), 5), (NoLimit(), 1e9)])
def test_the_simple_ones_learn_nothing(limiter, limit):
    limiter.finished("a", 100.0, inflight=1000, now=0.0)
    limiter.tick(100.0)

    assert (limiter.limit, limiter.usual_limit) == (limit, limit)
