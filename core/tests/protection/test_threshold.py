"""How the threshold follows the load."""

import math
from itertools import pairwise

import pytest

from core.protection.threshold import Threshold


def test_the_door_is_wide_open_at_first():
    assert Threshold().value == 100.0


def settle(threshold, load, *, start=0.0, seconds=300.0):
    now = start
    while now < start + seconds:
        threshold.update(load, now)
        now += 0.05
    return threshold.value


@pytest.mark.parametrize(
    ("load", "value"),
    [(0, 100), (0.5, 87.5), (0.8, 48.8), (0.9, 27.1), (1, 20), (9, 20)],
)
def test_the_threshold_falls_with_the_cube_of_the_load_to_its_lowest(load, value):
    assert settle(Threshold(), load) == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize(("load", "counted"), [(9, 1.0), (-9, 0.0)])
def test_the_load_is_between_nothing_and_one(load, counted):
    threshold = Threshold()
    settle(threshold, load)

    assert threshold.load == pytest.approx(counted)


def test_the_load_is_smoothed():
    threshold = Threshold()
    threshold.update(0.0, 0.0)

    threshold.update(1.0, 0.05)
    assert threshold.load == pytest.approx(1 - math.exp(-0.025))
    threshold.update(1.0, 1.05)

    assert threshold.load == pytest.approx(1 - math.exp(-0.525))


def test_the_threshold_never_jumps():
    threshold = Threshold()
    values = [threshold.value]
    for tick in range(2000):
        # Ten seconds of storm, ten of nothing.
        threshold.update(float(tick % 400 < 200), tick / 20)
        values.append(threshold.value)

    moves = [later - earlier for earlier, later in pairwise(values)]
    assert min(moves) >= -5 * 0.05 - 1e-9
    assert max(moves) <= 5 * 0.05 + 1e-9


def test_the_threshold_rises_slowly_while_there_is_load_and_faster_when_it_is_quiet():
    threshold = Threshold()
    settle(threshold, 1.0)

    busy = [settle(threshold, 0.5, start=300.0 + n, seconds=1) for n in range(10)]
    quiet = [settle(threshold, 0.0, start=310.0 + n, seconds=1) for n in range(10)]

    assert busy[9] - busy[5] == pytest.approx(8, abs=0.2)
    assert quiet[9] - quiet[5] == pytest.approx(20, abs=0.5)


def test_after_a_storm_everybody_is_let_in_again_within_half_a_minute():
    threshold = Threshold()
    assert settle(threshold, 1.0) == 20

    assert settle(threshold, 0.0, start=300.0, seconds=30) == 100


def test_who_finds_the_queue_full_lowers_it_a_little():
    threshold = Threshold()

    threshold.found_full(60.0)
    assert threshold.value == pytest.approx(99.95)
    for _ in range(19):
        threshold.found_full(60.0)

    assert threshold.value == pytest.approx(99.0)


@pytest.mark.parametrize(
    ("rank", "lowest"), [(60.0, 60.0), (30.0, 30.0), (20.0, 20.0), (10.0, 20.0)]
)
def test_however_many_find_it_full_it_falls_no_lower_than_their_rank(rank, lowest):
    threshold = Threshold()

    for _ in range(2000):
        threshold.found_full(rank)

    assert threshold.value == lowest


def test_who_is_above_it_already_neither_lowers_nor_raises_it():
    threshold = Threshold()
    threshold.value = 40.0

    threshold.found_full(40.0)
    threshold.found_full(90.0)

    assert threshold.value == 40.0


def test_after_such_a_fall_it_rises_as_slowly_as_ever():
    threshold = Threshold()
    threshold.update(0.5, 0.0)
    for _ in range(2000):
        threshold.found_full(30.0)

    threshold.update(0.5, 1.0)

    # The load has hardly been noticed, so this is the quicker of the two speeds.
    assert threshold.value == pytest.approx(35.0)
