"""Minutes of overload in seconds: what docs/load-shedding.md says of the limiters."""

from itertools import pairwise

import pytest

from benchmarks.overload.compare import (
    SLOW_END,
    SLOW_UNTIL,
    overload,
    recovery_seconds,
    run,
    slow_down,
    uneven,
)

# The last minutes of the overload, when whoever drifts has drifted.
SECONDS = 600.0
END = {"since": SECONDS / 2, "until": SECONDS}
CLASSES = ("checkout", "cart", "catalogue", "export")


@pytest.fixture(scope="module")
def outcomes():
    return {
        name: run(overload(SECONDS), name)
        for name in ("ours", "Gradient2", "fixed at 16")
    }


def test_the_same_seed_tells_the_same_story():
    first, second = (run(overload(30.0), "ours") for _ in range(2))

    assert first.finished == second.finished
    assert first.limits == second.limits


def test_ours_keeps_its_limit_under_lasting_overload(outcomes):
    limits = [
        outcomes["ours"].limit(since=start, until=start + 60)
        for start in range(60, int(SECONDS), 60)
    ]

    assert max(limits) < 12
    assert min(limits) > 4


def test_gradient2_drifts(outcomes):
    drifting = outcomes["Gradient2"]

    before = drifting.limit(since=30, until=60)
    after = drifting.limit(since=SECONDS - 60, until=SECONDS)

    assert after > 2 * before
    assert after > 5 * outcomes["ours"].limit(**END)


def test_ours_wastes_nothing_and_keeps_nobody_waiting(outcomes):
    ours, drifting = outcomes["ours"], outcomes["Gradient2"]

    assert ours.useful(**END) >= 0.9
    assert ours.useful(**END) > outcomes["fixed at 16"].useful(**END)
    assert ours.percentile(0.5, **END) < drifting.percentile(0.5, **END) / 3
    assert ours.percentile(0.99, **END) < drifting.percentile(0.99, **END) / 3


def test_checkouts_that_fit_are_served(outcomes):
    assert outcomes["ours"].served("checkout") >= 0.99
    assert outcomes["Gradient2"].served("checkout") < 0.97


@pytest.mark.parametrize("load", [2.0, 5.0, 10.0])
def test_the_least_important_go_first(load):
    outcome = run(overload(120.0, load), "ours")

    served = [outcome.served(name) for name in CLASSES]
    # Of those who are nearly all served one in five hundred is chance.
    assert all(later <= earlier + 0.002 for earlier, later in pairwise(served))
    assert served[0] > 0.95
    assert served[-1] < 0.2


def test_without_a_limit_nobody_is_served():
    outcome = run(overload(60.0), "none")

    assert outcome.useful(since=30, until=60) < 0.05


def test_all_is_well_soon_after_everything_was_ten_times_as_slow():
    ours, helpless = run(slow_down(), "ours"), run(slow_down(), "none")

    assert recovery_seconds(ours) <= 30
    assert ours.useful(since=SLOW_UNTIL, until=SLOW_END) > 0.6
    assert recovery_seconds(helpless) == SLOW_END - SLOW_UNTIL


def test_quick_and_slow_routes_have_baselines_of_their_own():
    # Eighty times as long, and no sign of overload by itself.
    ours, fixed = (run(uneven(120.0), name) for name in ("ours", "fixed at 16"))

    assert ours.useful(since=60, until=120) > 0.5
    assert ours.useful(since=60, until=120) > 1.5 * fixed.useful(since=60, until=120)
    assert ours.limit(since=60, until=120) < 16
