"""Try again, but never so often that the trying is the outage.

Exponential backoff with full jitter (Brooker, "Exponential Backoff and Jitter", 2015), and
a budget that makes retries a share of the calls (Google's SRE book, chapter 22).
"""

import random
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from core.protection import deadlines
from core.protection.counters import counters

T = TypeVar("T")
# A layer that repeats what another repeats multiplies the attempts.
_is_repeating: ContextVar[bool] = ContextVar("is_repeating", default=False)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    attempts: int = 3
    base_seconds: float = 0.1
    cap_seconds: float = 2.0
    # Whoever asks for a longer pause than this is asked again by a later request.
    patience_seconds: float = 5.0


class RetryBudget:
    """Tokens: a call brings a share of one, a retry takes a whole one.

    The reserve lets a quiet dependency be asked again at all.
    """

    def __init__(self, share: float = 0.1, reserve: float = 10.0) -> None:
        self._share = share
        self._reserve = reserve
        self._tokens = reserve
        self._lock = threading.Lock()

    @property
    def tokens(self) -> float:
        return self._tokens

    def count_call(self) -> None:
        with self._lock:
            self._tokens = min(self._reserve, self._tokens + self._share)

    def take(self) -> bool:
        """Take one retry out of the budget, or refuse."""
        with self._lock:
            # A share such as 0.1 doesn't add up exactly.
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
            return True


def backoff_seconds(
    policy: RetryPolicy,
    failures: int,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Return a pause with full jitter after so many failures, counted from 1."""
    longest = min(policy.cap_seconds, policy.base_seconds * 2 ** (failures - 1))
    return uniform(0, longest)


def retrying(
    attempt: Callable[[], T],
    *,
    name: str,
    policy: RetryPolicy,
    budget: RetryBudget,
    least_pause: Callable[[Exception], float | None],
    sleep: Callable[[float], None] = time.sleep,
    uniform: Callable[[float, float], float] = random.uniform,
) -> T:
    """Attempt until it succeeds, or attempts, budget or time run out; then raise the last error.

    Only for what may happen twice: a question, or what carries a key. ``least_pause``
    returns the seconds that must pass before it makes sense to try again (0 if the error
    names none), or None where it makes no sense. Inside another ``retrying`` there is one
    attempt.
    """
    budget.count_call()
    if _is_repeating.get():
        return attempt()
    token = _is_repeating.set(True)
    try:
        failures = 0
        while True:
            try:
                return attempt()
            except Exception as error:
                failures += 1
                least = least_pause(error)
                if least is None or failures >= policy.attempts:
                    raise
                pause = max(least, backoff_seconds(policy, failures, uniform))
                if not _may_pause(pause, policy) or not budget.take():
                    counters.add(f"retry|{name}|forgone")
                    raise
            counters.add(f"retry|{name}|made")
            sleep(pause)
    finally:
        _is_repeating.reset(token)


def _may_pause(pause: float, policy: RetryPolicy) -> bool:
    left = deadlines.remaining()
    return pause <= policy.patience_seconds and (left is None or pause < left)
