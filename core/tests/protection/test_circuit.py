"""The circuit breaker by itself: no server, its own clock."""

import asyncio
import logging
import smtplib
import threading
import time
from contextlib import contextmanager
from itertools import product

import pytest

from core.errors import ErrorKind
from core.exceptions import CircuitOpenError, ServiceUnavailableError
from core.protection import circuit
from core.protection.circuit import (
    BY_HAND,
    TRANSITIONS,
    Breaker,
    Control,
    IllegalTransitionError,
    NullBreaker,
    State,
)
from core.protection.judging import (
    BreakerPolicy,
    Window,
    is_failing_status,
    is_failure,
    is_mail_failure,
)


class Clock:
    def __init__(self):
        self.now = 1.0

    def __call__(self):
        return self.now


class ProviderError(Exception):
    pass


class CallersFaultError(Exception):
    pass


class LateError(ServiceUnavailableError):
    # Without a code of its own it stays out of the registry.
    kind = ErrorKind.DEADLINE_EXCEEDED


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return make(clock)


def make(clock, **settings):
    settings = {"uniform": lambda _low, high: high} | settings
    return Breaker("provider", clock=clock, **settings)


def succeed(breaker, times=1):
    for _ in range(times):
        with breaker.calling():
            pass


def fail(breaker, error=ProviderError, times=1):
    for _ in range(times):
        with pytest.raises(error), breaker.calling():
            raise error


def be_slow(breaker, clock, times=1, seconds=5.0):
    for _ in range(times):
        with breaker.calling():
            clock.now += seconds


def open_up(breaker):
    fail(breaker, times=10)
    assert breaker.state is State.OPEN


def refused(breaker):
    with pytest.raises(CircuitOpenError) as refusal:
        succeed(breaker)
    return refusal.value


def test_nine_failures_are_too_few_to_judge(breaker):
    fail(breaker, times=9)

    assert breaker.state is State.CLOSED


def test_half_of_ten_failing_opens(breaker):
    succeed(breaker, times=5)
    fail(breaker, times=5)

    assert breaker.state is State.OPEN


def test_less_than_half_failing_stays_closed(breaker):
    succeed(breaker, times=6)
    fail(breaker, times=5)

    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("later", [10, 3600])
def test_failures_older_than_the_window_are_forgotten(breaker, clock, later):
    fail(breaker, times=9)
    clock.now += later
    fail(breaker)

    assert breaker.state is State.CLOSED


def test_failures_within_the_window_are_remembered(breaker, clock):
    fail(breaker, times=9)
    clock.now += 9.9
    fail(breaker)

    assert breaker.state is State.OPEN


def test_the_window_slides(breaker, clock):
    for _ in range(100):
        succeed(breaker)
        clock.now += 1
    fail(breaker, times=8)
    # Nine successes and eight failures are in it; one more failure makes it nine of 18.
    assert breaker.state is State.CLOSED
    fail(breaker)

    assert breaker.state is State.OPEN


def test_window_counts_exactly_what_is_in_it():
    window = Window(10)
    ends = [(n, n % 3 == 0, n % 4 == 0) for n in range(100)]

    for now, failed, slow in ends:
        window.add(now, failed=failed, slow=slow)
        inside = [end for end in ends if now - 10 < end[0] <= now]
        assert len(window) == len(inside)
        assert window.failures == sum(end[1] for end in inside)
        assert window.slow == sum(end[2] for end in inside)

    window.clear()
    assert (len(window), window.failures, window.slow) == (0, 0, 0)


@pytest.mark.parametrize("seconds", [5.0, 7.0])
@pytest.mark.parametrize(
    ("slow", "state"), [(10, State.OPEN), (8, State.OPEN), (7, State.CLOSED)]
)
def test_eight_slow_of_ten_open(clock, slow, state, seconds):
    breaker = make(clock, policy=BreakerPolicy(window_seconds=1000))
    succeed(breaker, times=10 - slow)
    be_slow(breaker, clock, times=slow, seconds=seconds)

    assert breaker.state is state


def test_a_call_just_under_the_slow_time_is_not_slow(clock):
    breaker = make(clock, policy=BreakerPolicy(window_seconds=1000))
    be_slow(breaker, clock, times=10, seconds=4.99)

    assert breaker.state is State.CLOSED


def test_one_failure_is_enough_where_the_policy_says_so(clock):
    policy = BreakerPolicy(window_seconds=1, minimum_calls=1, failure_share=0)
    breaker = make(clock, policy=policy)

    succeed(breaker, times=1000)
    assert breaker.state is State.CLOSED
    fail(breaker)

    assert breaker.state is State.OPEN


def test_the_callers_own_fault_is_no_failure(clock):
    breaker = make(clock, judge=lambda error: isinstance(error, ProviderError))
    fail(breaker, CallersFaultError, times=20)

    assert breaker.state is State.CLOSED
    assert breaker.drain() == {"succeeded": 20}


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, LateError]
)
def test_a_caller_that_went_away_says_nothing(breaker, error):
    fail(breaker, error, times=20)
    # Had they counted as good calls, ten failures would be too few.
    fail(breaker, times=10)

    assert breaker.state is State.OPEN


def test_is_failure_takes_any_other_error_for_the_dependencys():
    assert is_failure(OSError()) is True
    assert is_failure(CircuitOpenError(dependency="x", retry_after=1)) is True
    assert is_failure(LateError()) is None


@pytest.mark.parametrize(
    ("error", "is_failing"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (smtplib.SMTPServerDisconnected("gone"), True),
        (smtplib.SMTPConnectError(421, b"busy"), True),
        (smtplib.SMTPAuthenticationError(535, b"who are you?"), True),
        (smtplib.SMTPDataError(451, b"later"), True),
        (smtplib.SMTPDataError(500, b"never"), False),
        (smtplib.SMTPDataError(552, b"too large"), False),
        (smtplib.SMTPSenderRefused(550, b"no", "shop@example.com"), False),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (550, b"unknown")}), False),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (450, b"greylisted")}), False),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (421, b"closing")}), True),
        (ValueError("a header with a line break"), False),
        (KeyboardInterrupt(), None),
    ],
)
def test_a_mail_server_that_refuses_one_message_is_not_out(error, is_failing):
    assert is_mail_failure(error) is is_failing


@pytest.mark.parametrize(
    ("status", "is_failing"),
    [
        (200, False),
        (301, False),
        (400, False),
        (404, False),
        (408, True),
        (409, False),
        (422, False),
        (425, True),
        (429, True),
        (499, False),
        (500, True),
        (503, True),
    ],
)
def test_4xx_is_no_failure_but_for_three(breaker, status, is_failing):
    assert is_failing_status(status) is is_failing
    for _ in range(10):
        with breaker.calling() as call:
            call.answered(status)

    assert (breaker.state is State.OPEN) is is_failing


def test_a_call_may_be_declared_failed(breaker):
    for _ in range(10):
        with breaker.calling() as call:
            call.fail()

    assert breaker.state is State.OPEN


def test_open_refuses_at_once_and_says_when_to_come_back(breaker, clock):
    open_up(breaker)
    clock.now += 1.5

    error = refused(breaker)

    assert (error.code, error.retry_after) == ("dependency_unavailable", 4)
    assert error.extensions == {"dependency": "provider"}


def test_a_refusal_never_says_to_come_back_at_once(breaker, clock):
    open_up(breaker)
    clock.now += 4.999

    assert refused(breaker).retry_after == 1


def test_open_answers_within_a_millisecond(breaker):
    open_up(breaker)
    times = []

    # The processor's time: what other processes of the machine take is not ours.
    for _ in range(500):
        begun = time.thread_time()
        refused(breaker)
        times.append(time.thread_time() - begun)

    assert sorted(times)[250] < 0.001


def test_three_good_trials_close(breaker, clock):
    open_up(breaker)
    clock.now += 5

    states = []
    for _ in range(3):
        succeed(breaker)
        states.append(breaker.state)

    assert states == [State.HALF_OPEN, State.HALF_OPEN, State.CLOSED]


@pytest.mark.parametrize("later", [0.001, 3600])
def test_it_stays_shut_until_its_time_has_come(breaker, clock, later):
    open_up(breaker)
    clock.now += 4.999
    refused(breaker)
    clock.now += later
    succeed(breaker)

    assert breaker.state is State.HALF_OPEN


def test_one_bad_trial_opens_for_twice_as_long_up_to_a_minute(breaker, clock):
    open_up(breaker)
    lengths = []
    for _ in range(6):
        lengths.append(breaker.open_until - clock.now)
        clock.now = breaker.open_until
        fail(breaker)

    assert lengths == [5, 10, 20, 40, 60, 60]


def test_closing_starts_the_lengths_afresh(breaker, clock):
    open_up(breaker)
    clock.now += 5
    fail(breaker)
    clock.now += 10
    succeed(breaker, times=3)
    open_up(breaker)

    assert breaker.open_until - clock.now == 5


def test_a_closed_breaker_judges_by_what_came_after_closing(breaker, clock):
    open_up(breaker)
    clock.now += 5
    succeed(breaker, times=3)
    fail(breaker, times=9)

    assert breaker.state is State.CLOSED


@pytest.mark.parametrize(("slow", "state"), [(3, State.OPEN), (2, State.CLOSED)])
def test_trials_that_are_all_slow_open_again(breaker, clock, slow, state):
    open_up(breaker)
    clock.now += 5
    succeed(breaker, times=3 - slow)
    be_slow(breaker, clock, times=slow)

    assert breaker.state is state


def test_all_trials_slow_is_enough_for_any_share(clock):
    breaker = make(clock, policy=BreakerPolicy(slow_share=1))
    open_up(breaker)
    clock.now += 5
    be_slow(breaker, clock, times=3)

    assert breaker.state is State.OPEN


@pytest.mark.parametrize(("slow", "state"), [(1, State.OPEN), (0, State.CLOSED)])
def test_one_slow_trial_is_enough_where_the_policy_says_so(clock, slow, state):
    breaker = make(clock, policy=BreakerPolicy(slow_share=0))
    open_up(breaker)
    clock.now += 5
    be_slow(breaker, clock, times=slow)
    succeed(breaker, times=3 - slow)

    assert breaker.state is state


def test_lengths_are_spread_by_a_fifth_and_never_longer_than_said(clock):
    asked = []

    def uniform(low, high):
        asked.append((low, high))
        return low

    breaker = make(clock, uniform=uniform)
    open_up(breaker)

    assert asked == [(0.8, 1)]
    assert breaker.open_until - clock.now == pytest.approx(4)


def test_half_open_lets_three_in_at_a_time(breaker, clock):
    open_up(breaker)
    clock.now += 5

    with breaker.calling(), breaker.calling(), breaker.calling():
        assert refused(breaker).retry_after == 1

    assert breaker.state is State.CLOSED


def test_a_trial_that_was_interrupted_is_given_back(breaker, clock):
    open_up(breaker)
    clock.now += 5
    fail(breaker, KeyboardInterrupt, times=4)

    assert breaker.state is State.HALF_OPEN
    with breaker.calling(), breaker.calling(), breaker.calling():
        refused(breaker)
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("later", [0.1, 100])
def test_trials_that_never_come_back_make_room_for_others(breaker, clock, later):
    open_up(breaker)
    clock.now += 5
    lost = [breaker.calling() for _ in range(3)]
    for call in lost:
        call.__enter__()

    clock.now += 59.9
    refused(breaker)
    clock.now += later
    succeed(breaker, times=2)
    # Those from before say nothing any more.
    lost[0].__exit__(ProviderError, ProviderError(), None)
    assert breaker.state is State.HALF_OPEN
    succeed(breaker)

    assert breaker.state is State.CLOSED


def test_an_answer_from_before_the_opening_does_not_count(breaker, clock):
    call = breaker.calling()
    call.__enter__()
    open_up(breaker)
    clock.now += 5
    succeed(breaker)
    call.__exit__(ProviderError, ProviderError(), None)

    assert breaker.state is State.HALF_OPEN


def lead_to(breaker, clock, state):
    """Bring a breaker into a state the way it gets there in life."""
    if state is State.OPEN:
        open_up(breaker)
    elif state is State.HALF_OPEN:
        open_up(breaker)
        clock.now += 5
        succeed(breaker)
    elif state is not State.CLOSED:
        breaker.move(state)


@pytest.mark.parametrize(("source", "target"), list(product(State, State)))
def test_transitions_follow_the_table(breaker, clock, source, target):
    lead_to(breaker, clock, source)

    if target in TRANSITIONS[source]:
        breaker.move(target)
        assert breaker.state is target
    else:
        with pytest.raises(IllegalTransitionError):
            breaker.move(target)
        assert breaker.state is source


def test_the_table_covers_every_state_and_says_this():
    assert set(TRANSITIONS) == set(State)
    assert {source: len(targets) for source, targets in TRANSITIONS.items()} == {
        State.CLOSED: 4,
        State.OPEN: 5,
        State.HALF_OPEN: 5,
        State.DISABLED: 3,
        State.METRICS_ONLY: 3,
        State.FORCED_OPEN: 3,
    }
    assert all(source not in targets for source, targets in TRANSITIONS.items())
    assert State.HALF_OPEN not in TRANSITIONS[State.CLOSED]


def test_forced_open_refuses_and_does_not_heal(breaker, clock):
    breaker.move(State.FORCED_OPEN)
    clock.now += 3600

    assert refused(breaker).retry_after == 60
    assert breaker.state is State.FORCED_OPEN


def test_disabled_never_opens_and_counts_nothing(breaker):
    breaker.move(State.DISABLED)
    breaker.drain()
    fail(breaker, times=30)

    assert breaker.state is State.DISABLED
    assert breaker.drain() == {}


def test_metrics_only_counts_and_says_when_it_would_have_opened(breaker):
    breaker.move(State.METRICS_ONLY)
    breaker.drain()
    fail(breaker, times=30)

    assert breaker.state is State.METRICS_ONLY
    assert breaker.drain() == {"failed": 30, "would_open": 3}


def test_what_happened_is_tallied_until_it_is_drained(breaker, clock):
    succeed(breaker, times=4)
    be_slow(breaker, clock, seconds=5)
    fail(breaker, KeyboardInterrupt)
    fail(breaker, times=5)
    refused(breaker)

    assert breaker.drain() == {
        "succeeded": 4,
        "slow": 1,
        "abandoned": 1,
        "failed": 5,
        "to_open": 1,
        "refused": 1,
    }
    assert breaker.drain() == {}


@pytest.mark.parametrize("state", sorted(BY_HAND))
def test_people_set_a_state_and_take_it_back(clock, state):
    control = Control()
    breaker = make(clock, control=lambda: control)
    open_up(breaker)

    control = Control(state)
    breaker.follow()
    assert breaker.state is state
    breaker.follow()
    control = Control()
    breaker.follow()

    assert breaker.state is State.CLOSED


def test_a_breaker_that_is_made_later_follows_too(clock):
    breaker = make(clock, control=lambda: Control(State.FORCED_OPEN, 3))

    refused(breaker)


@pytest.mark.parametrize("state", [State.CLOSED, State.OPEN, State.HALF_OPEN])
def test_people_close_it_once(clock, state):
    control = Control(closings=4)
    breaker = make(clock, control=lambda: control)
    lead_to(breaker, clock, state)

    control = Control(closings=5)
    breaker.follow()
    assert breaker.state is State.CLOSED
    open_up(breaker)
    breaker.follow()

    assert breaker.state is State.OPEN


class Board:
    """Where processes tell each other, as the shared one does."""

    def __init__(self, clock):
        self.clock = clock
        self.until = {}
        self.questions = 0

    def remaining(self, name):
        self.questions += 1
        return max(0, self.until.get(name, 0) - self.clock())

    def announce(self, name, seconds):
        self.until[name] = self.clock() + seconds

    def retract(self, name):
        self.until.pop(name, None)


def test_another_process_follows_within_a_second(clock):
    board = Board(clock)
    one, other = make(clock, openings=board), make(clock, openings=board)
    succeed(other)
    open_up(one)
    clock.now += 0.5
    succeed(other)
    clock.now += 0.5

    assert refused(other).retry_after == 4
    assert other.open_until == one.open_until


def test_what_another_process_said_is_not_said_again(clock):
    board = Board(clock)
    one, other = make(clock, openings=board), make(clock, openings=board)
    open_up(one)
    said = dict(board.until)
    clock.now += 2
    refused(other)

    assert board.until == said
    # And it was not this process's own first opening.
    clock.now = other.open_until
    fail(other)
    assert other.open_until - clock.now == 5


def test_closing_takes_back_what_was_said(clock):
    board = Board(clock)
    breaker = make(clock, openings=board)
    open_up(breaker)
    breaker.move(State.CLOSED)

    assert board.until == {}


def test_others_are_asked_once_a_second(clock):
    board = Board(clock)
    breaker = make(clock, openings=board)
    succeed(breaker, times=50)
    clock.now += 1
    succeed(breaker, times=50)

    assert board.questions == 2


class Journal(list):
    """Takes the log's place, to be read."""

    def log(self, level, event, *, breaker, before, to):
        assert (event, breaker) == ("breaker_changed", "provider")
        self.append((level, before, to))


def test_the_log_tells_of_outages_and_not_of_each_trial(breaker, clock, monkeypatch):
    journal = Journal()
    monkeypatch.setattr(circuit, "_log", journal)
    open_up(breaker)
    clock.now += 5
    fail(breaker)
    clock.now += 10
    succeed(breaker, times=3)

    assert journal == [
        (logging.WARNING, "closed", "open"),
        (logging.DEBUG, "open", "half_open"),
        (logging.DEBUG, "half_open", "open"),
        (logging.DEBUG, "open", "half_open"),
        (logging.WARNING, "half_open", "closed"),
    ]


def test_null_breaker_lets_everything_pass():
    breaker = NullBreaker()
    for _ in range(100):
        with breaker.calling() as call:
            call.answered(500)
            call.fail()
    fail(breaker)


class Serialising(Breaker):
    """What the popular library does: a lock around the call."""

    around = threading.Lock()

    @contextmanager
    def calling(self):
        with self.around, super().calling() as call:
            yield call


def run_in_parallel(function, count=8):
    errors = []

    def run():
        try:
            function()
        except threading.BrokenBarrierError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize(("kind", "meet"), [(Breaker, True), (Serialising, False)])
def test_eight_calls_are_inside_at_once(kind, meet):
    breaker, barrier = kind("provider"), threading.Barrier(8)

    def call():
        with breaker.calling():
            barrier.wait(5 if meet else 0.5)

    assert (run_in_parallel(call) == []) is meet


@pytest.mark.parametrize(
    ("kind", "least", "most"), [(Breaker, 0.25, 1), (Serialising, 2, 60)]
)
def test_parallel_calls_take_the_time_of_one(kind, least, most):
    breaker = kind("provider")

    def call():
        with breaker.calling():
            time.sleep(0.25)

    begun = time.perf_counter()
    run_in_parallel(call)

    assert least <= time.perf_counter() - begun < most
