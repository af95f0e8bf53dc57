"""A circuit breaker: stop asking a dependency that is out, and notice when it is back.

After Nygard, Release It! (2007), with slow calls and trial calls as in resilience4j. The
lock guards counters and is never held during a call, so parallel calls through a closed
breaker take the time of one. Fails open: what a breaker itself can't learn (from others,
of its controls) lets calls pass.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from logging import DEBUG, WARNING
from math import ceil, inf
from types import TracebackType
from typing import Protocol, Self

import structlog

from core.exceptions import CircuitOpenError
from core.protection.judging import (
    BreakerPolicy,
    Judge,
    Window,
    is_failing_status,
    is_failure,
)

_log = structlog.get_logger("breaker")
# So often a closed breaker asks whether another process has found the dependency out.
LOOK_SECONDS = 1.0


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    # By hand: nothing is counted; counted but never refused; always refused.
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"
    FORCED_OPEN = "forced_open"


SHUT = frozenset({State.OPEN, State.HALF_OPEN, State.FORCED_OPEN})
BY_HAND = frozenset({State.DISABLED, State.METRICS_ONLY, State.FORCED_OPEN})
# What is set by hand ends in closed, so that the window starts afresh.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.CLOSED: BY_HAND | {State.OPEN},
    State.OPEN: BY_HAND | {State.HALF_OPEN, State.CLOSED},
    State.HALF_OPEN: BY_HAND | {State.OPEN, State.CLOSED},
    State.DISABLED: (BY_HAND | {State.CLOSED}) - {State.DISABLED},
    State.METRICS_ONLY: (BY_HAND | {State.CLOSED}) - {State.METRICS_ONLY},
    State.FORCED_OPEN: (BY_HAND | {State.CLOSED}) - {State.FORCED_OPEN},
}


class IllegalTransitionError(RuntimeError):
    """A breaker was told to go where its state doesn't lead."""


@dataclass(frozen=True, slots=True)
class Control:
    """What people want: a state by hand or None, and how often they closed it by hand."""

    state: State | None = None
    closings: int = 0


class Openings(Protocol):
    """Where processes tell each other that a dependency is out. May forget, never raise."""

    def remaining(self, name: str) -> float:
        """Return for how many seconds more; 0 where nobody has said so."""

    def announce(self, name: str, seconds: float) -> None: ...

    def retract(self, name: str) -> None: ...


class NoOpenings:
    """Each process for itself."""

    def remaining(self, name: str) -> float:  # noqa: ARG002 -- the protocol's signature
        return 0.0

    def announce(self, name: str, seconds: float) -> None: ...

    def retract(self, name: str) -> None: ...


class Call:
    """One passage through a breaker, from ``with`` to the end of its block."""

    __slots__ = ("_begun", "_breaker", "_epoch", "_has_failed")

    def __init__(self, breaker: "Breaker") -> None:
        self._breaker = breaker
        self._epoch = 0
        self._begun = 0.0
        self._has_failed = False

    def __enter__(self) -> Self:
        self._epoch, self._begun = self._breaker.admit()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        failed: bool | None = self._has_failed
        if error is not None:
            failed = self._breaker.judge(error)
        self._breaker.end(self._epoch, self._begun, failed=failed)

    def fail(self) -> None:
        """Count the call as failed though nothing was raised."""
        self._has_failed = True

    def answered(self, status: int) -> None:
        """Judge the call by the status of its HTTP answer."""
        self._has_failed = is_failing_status(status)


class AnyCall(Protocol):
    def fail(self) -> None: ...

    def answered(self, status: int) -> None: ...


class AnyBreaker(Protocol):
    @property
    def name(self) -> str: ...

    def calling(self) -> AbstractContextManager[AnyCall]: ...


class NullBreaker:
    """Lets every call pass and remembers nothing."""

    name = "none"

    def calling(self) -> "NullBreaker":
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def fail(self) -> None: ...

    def answered(self, status: int) -> None: ...


class Breaker:
    """One dependency and operation, in one process.

    ``judge`` tells failures from refusals that are the caller's own doing, ``control``
    what people have set by hand.
    """

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        judge: Judge = is_failure,
        control: Callable[[], Control] = Control,
        openings: Openings | None = None,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.name = name
        self.policy = policy or BreakerPolicy()
        self.judge = judge
        self.open_until = 0.0
        self._state = State.CLOSED
        self._control = control
        self._controlled = Control(closings=control().closings)
        self._openings = openings or NoOpenings()
        self._clock = clock
        self._uniform = uniform
        self._lock = threading.Lock()
        self._window = Window(self.policy.window_seconds)
        self._opened_in_a_row = 0
        # Raised by each change: the end of a call from an earlier life says nothing.
        self._epoch = 0
        self._trials = Window(inf)
        self._trials_given = 0
        self._trials_since = 0.0
        self._next_look = 0.0
        self._tally: Counter[str] = Counter()
        self._untold: list[tuple[State, State, float]] = []

    @property
    def state(self) -> State:
        return self._state

    @property
    def is_shut(self) -> bool:
        return self._state in SHUT

    def calling(self) -> Call:
        """Enter it around the call.

        :raises CircuitOpenError: on entering, within a millisecond and without a call.
        """
        return Call(self)

    def admit(self) -> tuple[int, float]:
        self.follow()
        if self._state is State.CLOSED:
            self._look()
        try:
            with self._lock:
                return self._admitted(self._clock())
        finally:
            self._tell()

    def end(self, epoch: int, begun: float, *, failed: bool | None) -> None:
        """Note how a call ended; with None only that it no longer runs."""
        with self._lock:
            if self._state is State.DISABLED:
                return
            now = self._clock()
            slow = now - begun >= self.policy.slow_seconds
            self._tally[_outcome(failed=failed, slow=slow)] += 1
            if epoch != self._epoch:
                return
            if self._state is State.HALF_OPEN:
                self._end_trial(now, failed=failed, slow=slow)
            elif failed is not None:
                self._window.add(now, failed=failed, slow=slow)
                if self._window.is_bad(self.policy):
                    self._give_up()
        self._tell()

    def follow(self) -> None:
        """Go where people want it; called by every call, and now and then without one."""
        wanted = self._control()
        if wanted == self._controlled:
            return
        with self._lock:
            before, self._controlled = self._controlled, wanted
            if wanted.state is not None:
                if wanted.state is not self._state:
                    self._move(wanted.state)
            elif self._state in BY_HAND or (
                wanted.closings > before.closings and self._state is not State.CLOSED
            ):
                self._move(State.CLOSED)
        self._tell()

    def move(self, to: State) -> None:
        """Change the state of this process's breaker.

        :raises IllegalTransitionError: where the table has no such step.
        """
        with self._lock:
            self._move(to)
        self._tell()

    def drain(self) -> dict[str, int]:
        """Return what was counted since the last time."""
        with self._lock:
            tally, self._tally = self._tally, Counter()
        return tally

    def _admitted(self, now: float) -> tuple[int, float]:
        if self._state is State.OPEN and now >= self.open_until:
            self._move(State.HALF_OPEN)
        if self._state is State.OPEN:
            self._refuse(self.open_until - now)
        if self._state is State.FORCED_OPEN:
            self._refuse(self.policy.open_seconds_cap)
        if self._state is State.HALF_OPEN:
            self._give_trial(now)
        return self._epoch, now

    def _give_trial(self, now: float) -> None:
        if self._trials_given >= self.policy.trial_calls:
            # Trials that never come back must not keep it shut for ever.
            if now - self._trials_since < self.policy.open_seconds_cap:
                self._refuse(1)
            self._begin_trials(now)
            self._epoch += 1
        self._trials_given += 1

    def _begin_trials(self, now: float) -> None:
        self._trials.clear()
        self._trials_given = 0
        self._trials_since = now

    def _end_trial(self, now: float, *, failed: bool | None, slow: bool) -> None:
        if failed is None:
            self._trials_given -= 1
            return
        self._trials.add(now, failed=failed, slow=slow)
        if failed:
            self._move(State.OPEN)
        elif len(self._trials) >= self.policy.trial_calls:
            is_slow = self._trials.slow >= max(
                1, self.policy.slow_share * self.policy.trial_calls
            )
            self._move(State.OPEN if is_slow else State.CLOSED)

    def _give_up(self) -> None:
        if self._state is State.CLOSED:
            self._move(State.OPEN)
        else:
            self._tally["would_open"] += 1
            self._window.clear()

    def _refuse(self, seconds: float) -> None:
        self._tally["refused"] += 1
        wait = max(1, ceil(seconds))
        raise CircuitOpenError(dependency=self.name, retry_after=wait)

    def _move(self, to: State, *, told_seconds: float = 0.0) -> None:
        if to not in TRANSITIONS[self._state]:
            raise IllegalTransitionError(f"{self.name}: {self._state} to {to}.")
        now, seconds = self._clock(), 0.0
        if to is State.OPEN and told_seconds:
            # Said by another process: passing it on would never end it.
            self.open_until = now + told_seconds
        elif to is State.OPEN:
            seconds = self._open_seconds()
            self.open_until = now + seconds
        elif to is State.HALF_OPEN:
            self._begin_trials(now)
        else:
            self._opened_in_a_row = 0
        self._window.clear()
        self._untold.append((self._state, to, seconds))
        self._state = to
        self._epoch += 1
        self._tally[f"to_{to}"] += 1

    def _open_seconds(self) -> float:
        """Return 5, 10, 20 … up to 60 s, less up to a fifth, so that processes don't march."""
        longest = self.policy.open_seconds * 2.0**self._opened_in_a_row
        self._opened_in_a_row += 1
        return min(self.policy.open_seconds_cap, longest) * self._uniform(0.8, 1)

    def _look(self) -> None:
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        seconds = self._openings.remaining(self.name)
        if not seconds:
            return
        with self._lock:
            if self._state is State.CLOSED:
                self._move(State.OPEN, told_seconds=seconds)

    def _tell(self) -> None:
        """Tell the log and the other processes; outside the lock, since both take time."""
        while self._untold:
            try:
                before, to, seconds = self._untold.pop(0)
            except IndexError:
                return
            # Trials that fail again and again are no news.
            level = DEBUG if State.HALF_OPEN in {before, to} else WARNING
            if to is State.CLOSED:
                level = WARNING
            _log.log(
                level,
                "breaker_changed",
                breaker=self.name,
                before=before.value,
                to=to.value,
            )
            if seconds:
                self._openings.announce(self.name, seconds)
            elif to is State.CLOSED:
                self._openings.retract(self.name)


def _outcome(*, failed: bool | None, slow: bool) -> str:
    if failed is None:
        return "abandoned"
    if failed:
        return "failed"
    return "slow" if slow else "succeeded"
