"""`Admission` for threads: a thread waits here, and holds nothing meanwhile but itself."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from core.protection.admission import Admission, Waiter
from core.protection.tally import Tally


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
        most_aside: int = 0,
    ) -> None:
        self.admission = admission
        self._most_aside = most_aside
        self.only_looks = only_looks
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def has_room(self) -> bool:
        """Tell, without waiting for the lock, whether who comes next finds a place."""
        admission = self.admission
        return admission.queued == 0 and admission.has_place(
            math.inf, before=admission.coming
        )

    def is_easy(self, last_rank: float) -> bool:
        """Tell, without waiting for the lock, whether all up to the rank are let in now."""
        admission = self.admission
        return (
            last_rank <= admission.threshold.value
            and admission.queued == 0
            and admission.has_place(last_rank)
        )

    def is_hopeless(self, rank: float) -> bool:
        """Tell, without waiting for the lock, whether the rank may neither enter nor queue."""
        admission = self.admission
        return admission.queued > 0 and rank >= admission.threshold.value

    def announce(self) -> None:
        """Count one who is on his way here, and who either enters or is withdrawn."""
        with self._lock:
            self.admission.coming += 1

    def withdraw(self) -> None:
        """Count out one who was announced and won't come."""
        with self._lock:
            self.admission.coming -= 1

    def enter(
        self,
        *,
        priority: int,
        rank: float,
        seconds: float | None = None,
        is_announced: bool = False,
    ) -> Waiter:
        now = self._clock()
        deadline = math.inf if seconds is None else now + seconds
        take = self.admission.admit_anyway if self.only_looks else self.admission.arrive
        with self._lock:
            self.admission.coming -= is_announced
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

    def refuse_at_once(self, *, priority: int, rank: float) -> bool:
        """Refuse, and count, a request that has no chance now."""
        now = self._clock()
        with self._lock:
            return self.admission.refuse_at_once(priority=priority, rank=rank, now=now)

    def leave(self, waiter: Waiter, *, route: str | None) -> None:
        now = self._clock()
        with self._lock:
            self.admission.leave(waiter, now=now, route=route)

    @contextmanager
    def stepping_aside(self, waiter: Waiter) -> Iterator[None]:
        """Give the place free for the block, if not too many do so already."""
        with self._lock:
            is_aside = self.admission.aside < self._most_aside
            if is_aside:
                self.admission.step_aside(waiter, self._clock())
        try:
            yield
        finally:
            if is_aside:
                with self._lock:
                    self.admission.step_back(waiter, self._clock())

    def take_tally(self) -> Tally:
        """Return what happened since the last time."""
        with self._lock:
            tally, self.admission.tally = self.admission.tally, Tally()
        return tally
