"""`Admission` for threads: a thread waits here, and holds nothing meanwhile but itself."""

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from core.protection.admission import Admission, Waiter


class Gate(Protocol):
    def enter(
        self, *, priority: int, rank: float, seconds: float | None = None
    ) -> Waiter:
        """Return a waiter that waits no longer, after half a second or ``seconds`` at most."""

    def leave(self, waiter: Waiter, *, route: str | None) -> None:
        """Let out one who was admitted; with a route its time is learned from."""


class OpenGate:
    """Lets everybody in at once: the null implementation."""

    def enter(
        self,
        *,
        priority: int,
        rank: float,
        seconds: float | None = None,  # noqa: ARG002 -- nobody waits
    ) -> Waiter:
        return Waiter(priority, rank, 0.0, math.inf, is_admitted=True)

    def leave(self, waiter: Waiter, *, route: str | None) -> None:
        pass


class ThreadGate:
    """Lets threads in as `Admission` decides; ``only_looks`` counts but refuses nobody."""

    def __init__(
        self,
        admission: Admission,
        *,
        clock: Callable[[], float] = time.monotonic,
        only_looks: bool = False,
    ) -> None:
        self.admission = admission
        self.only_looks = only_looks
        self._clock = clock
        self._lock = threading.Lock()

    def enter(
        self, *, priority: int, rank: float, seconds: float | None = None
    ) -> Waiter:
        now = self._clock()
        deadline = math.inf if seconds is None else now + seconds
        take = self.admission.admit_anyway if self.only_looks else self.admission.arrive
        with self._lock:
            waiter = take(priority=priority, rank=rank, now=now, deadline=deadline)
            if waiter.is_admitted or waiter.reason is not None:
                return waiter
            # Held from the start, so that whoever decides lets this thread go by releasing.
            settled = threading.Lock()
            settled.acquire()
            waiter.wake = settled.release
        if not settled.acquire(timeout=max(0.0, waiter.give_up_at - now)):
            with self._lock:
                self.admission.give_up(waiter, self._clock())
        return waiter

    def leave(self, waiter: Waiter, *, route: str | None) -> None:
        now = self._clock()
        with self._lock:
            self.admission.leave(waiter, now=now, route=route)

    def step_aside(self) -> None:
        now = self._clock()
        with self._lock:
            self.admission.step_aside(now)

    def step_back(self) -> None:
        with self._lock:
            self.admission.step_back()
