"""How long the work at hand may still take. Every limit inside it follows from one instant.

The ladder, each rung below the next: Valkey 50 ms, connect 1 s, wait for a lock 3 s,
statement 5 s (exports and imports 30 s), a provider's answer 10 s and 15 s in all,
request 20 s, proxy 30 s.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from core.exceptions import DeadlineExceededError, InvalidHeaderError

__all__ = [
    "REQUEST_SECONDS",
    "Deadline",
    "DeadlineExceededError",
    "current_deadline",
    "deadline",
    "read_timeout",
    "remaining",
    "require_time",
    "statement_seconds",
    "tidying_up",
    "within",
]

CONNECT_SECONDS = 1.0
STATEMENT_SECONDS = 5.0
LONG_STATEMENT_SECONDS = 30.0
REQUEST_SECONDS = 20.0
# What a failed request may still spend on leaving things in order.
TIDYING_SECONDS = 1.0

HEADER = "Request-Timeout"
LEAST_SECONDS = 0.05
MOST_SECONDS = 3600.0
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)


class Deadline:
    """An instant of ``time.monotonic``, and the longest that one statement may take.

    In force within a ``with`` block; an outer one that is nearer stays so. A class, since
    every request enters one, and a generator takes twice as long.
    """

    __slots__ = ("_token", "at", "statement_seconds")

    def __init__(self, at: float, statement_seconds: float = STATEMENT_SECONDS) -> None:
        self.at = at
        self.statement_seconds = statement_seconds

    def __enter__(self) -> Self:
        outer = _current.get()
        if outer is not None and outer.at < self.at:
            self.at = outer.at
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def deadline(
    seconds: float, *, statement_seconds: float = STATEMENT_SECONDS
) -> Deadline:
    """Bound a ``with`` block."""
    return Deadline(time.monotonic() + seconds, statement_seconds)


@contextmanager
def tidying_up() -> Iterator[None]:
    """Let the block leave things in order, even where the time is up already."""
    outer = _current.get()
    if outer is None:
        yield
        return
    at = max(outer.at, time.monotonic() + TIDYING_SECONDS)
    token = _current.set(Deadline(at, outer.statement_seconds))
    try:
        yield
    finally:
        _current.reset(token)


def current_deadline() -> float | None:
    """Return the instant of ``time.monotonic`` at which the time is up, if there is one."""
    own = _current.get()
    return None if own is None else own.at


def remaining() -> float | None:
    """Return the seconds left, at least 0, or None where nothing bounds the work."""
    own = _current.get()
    return None if own is None else max(0.0, own.at - time.monotonic())


def within(seconds: float) -> float:
    """Return so many seconds, or what is left if that is less.

    :raises DeadlineExceededError: when nothing is left.
    """
    left = remaining()
    if left is None:
        return seconds
    if left <= 0:
        raise DeadlineExceededError
    return min(seconds, left)


def require_time() -> None:
    """Refuse to begin what can't be finished any more.

    :raises DeadlineExceededError: when nothing is left.
    """
    if remaining() == 0:
        raise DeadlineExceededError


def statement_seconds() -> float | None:
    """Return how long a statement may take that begins now; below 0, it comes too late."""
    own = _current.get()
    if own is None:
        return None
    return min(own.at - time.monotonic(), own.statement_seconds)


def read_timeout(text: str | None) -> float | None:
    """Return the seconds that the header asks for, or None where it is absent.

    :raises InvalidHeaderError: if that isn't a number of seconds within bounds.
    """
    if text is None:
        return None
    seconds = float(text) if _SECONDS.fullmatch(text) else 0.0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise InvalidHeaderError(
            f"{HEADER} must be a number of seconds from {LEAST_SECONDS} to"
            f" {MOST_SECONDS:.0f}, such as 2.5.",
            header=HEADER,
        )
    return seconds


def limits_of(view: Any) -> tuple[float, float]:
    """Return the longest that a route and each of its statements may take.

    A view says so by ``request_seconds`` and ``statement_seconds``.
    """
    said = getattr(view, "cls", None) or getattr(view, "view_class", None) or view
    return (
        getattr(said, "request_seconds", REQUEST_SECONDS),
        getattr(said, "statement_seconds", STATEMENT_SECONDS),
    )
