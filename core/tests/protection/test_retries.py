import random

import pytest

from core.protection.deadlines import deadline
from core.protection.retries import (
    RetryBudget,
    RetryPolicy,
    backoff_seconds,
    retrying,
)

POLICY = RetryPolicy()


class FailingError(Exception):
    def __init__(self, least=0.0):
        super().__init__()
        self.least = least


class Dependency:
    """Fails so many times, then answers; remembers how often it was asked."""

    def __init__(self, failures, least=0.0):
        self.failures = failures
        self.least = least
        self.asked = 0

    def __call__(self):
        self.asked += 1
        if self.asked <= self.failures:
            raise FailingError(self.least)
        return "answer"


def seeded(seed):
    return random.Random(seed)  # noqa: S311 -- draws pauses


def call(dependency, *, policy=POLICY, budget=None, pauses=None, least=None, **options):
    return retrying(
        dependency,
        name="test",
        policy=policy,
        budget=budget or RetryBudget(),
        least_pause=least or (lambda error: error.least),
        sleep=[].append if pauses is None else pauses.append,
        **options,
    )


@pytest.mark.parametrize(
    ("failures", "longest"),
    [(1, 0.1), (2, 0.2), (3, 0.4), (5, 1.6), (6, 2.0), (7, 2.0), (60, 2.0)],
)
def test_the_longest_pause_doubles_up_to_the_cap(failures, longest):
    assert backoff_seconds(POLICY, failures, lambda low, high: high) == longest
    assert backoff_seconds(POLICY, failures, lambda low, high: low) == 0


def test_the_jitter_is_full():
    uniform = seeded(7).uniform

    pauses = [backoff_seconds(POLICY, 3, uniform) for _ in range(10_000)]

    tenths = [sum(0.04 * n <= p < 0.04 * (n + 1) for p in pauses) for n in range(10)]
    assert sum(tenths) == 10_000
    assert all(900 < count < 1100 for count in tenths)


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_it_answers_within_three_attempts(failures):
    dependency = Dependency(failures)

    assert call(dependency) == "answer"
    assert dependency.asked == failures + 1


def test_after_three_attempts_the_last_error_is_raised():
    dependency = Dependency(3)

    with pytest.raises(FailingError):
        call(dependency)

    assert dependency.asked == 3


def test_what_must_not_be_repeated_is_not():
    dependency = Dependency(1)

    with pytest.raises(FailingError):
        call(dependency, least=lambda error: None)

    assert dependency.asked == 1


def test_each_pause_is_drawn_anew():
    pauses = []

    call(Dependency(2), pauses=pauses, uniform=seeded(3).uniform)

    expected = seeded(3)
    assert pauses == [expected.uniform(0, 0.1), expected.uniform(0, 0.2)]


def test_the_pause_that_is_asked_for_is_kept():
    pauses = []

    call(Dependency(1, least=3), pauses=pauses)

    assert pauses == [3]


def test_a_longer_pause_than_our_own_is_kept_too():
    pauses = []

    call(Dependency(1, least=0.01), pauses=pauses, uniform=lambda low, high: high)

    assert pauses == [0.1]


@pytest.mark.parametrize(("least", "asked"), [(5, 2), (5.1, 1)])
def test_nobody_waits_longer_than_patience_allows(least, asked):
    dependency = Dependency(1, least=least)

    try:
        call(dependency)
    except FailingError:
        assert asked == 1

    assert dependency.asked == asked


def test_no_pause_goes_past_the_deadline():
    dependency = Dependency(1, least=3)

    with deadline(2), pytest.raises(FailingError):
        call(dependency)

    assert dependency.asked == 1


def test_within_the_deadline_it_is_tried_again():
    dependency = Dependency(1, least=3)

    with deadline(60):
        assert call(dependency) == "answer"


def test_only_the_outer_layer_repeats():
    dependency = Dependency(100)

    with pytest.raises(FailingError):
        call(lambda: call(dependency))

    assert dependency.asked == 3


def test_the_layer_ends_with_its_call():
    with pytest.raises(FailingError):
        call(Dependency(100))
    dependency = Dependency(1)

    assert call(dependency) == "answer"


def test_a_budget_begins_with_its_reserve():
    budget = RetryBudget(reserve=3)

    assert [budget.take() for _ in range(4)] == [True, True, True, False]


def test_ten_calls_bring_one_retry():
    budget = RetryBudget(reserve=1)
    budget.take()

    for _ in range(9):
        budget.count_call()
    assert not budget.take()
    budget.count_call()
    assert budget.take()
    assert not budget.take()


def test_a_budget_saves_no_more_than_its_reserve():
    budget = RetryBudget(reserve=2)
    for _ in range(1000):
        budget.count_call()

    assert budget.tokens == 2


def test_forgone_retries_take_nothing_from_the_budget():
    budget = RetryBudget(reserve=5)

    with pytest.raises(FailingError):
        call(Dependency(9, least=99), budget=budget)

    assert budget.tokens == 5


@pytest.mark.parametrize(("rate", "seconds"), [(100, 60), (5, 600)])
def test_a_dependency_that_is_down_sees_little_more_than_is_offered(rate, seconds):
    budget = RetryBudget()
    dependency = Dependency(10**9)

    for _ in range(rate * seconds):
        with pytest.raises(FailingError):
            call(dependency, budget=budget)

    assert dependency.asked <= 1.1 * rate * seconds + 10


def test_without_a_budget_it_sees_three_times_as_much():
    """The control of the test above."""
    dependency = Dependency(10**9)

    for _ in range(100):
        with pytest.raises(FailingError):
            call(dependency, budget=RetryBudget(share=2, reserve=1000))

    assert dependency.asked == 300
