"""How many requests may run at once, found out from how long they take.

A limiter is told of every finished request what it took and what its route takes when the
house is calm. Taken over expected is the slowness: 1 is an idle server, 3 means that two
thirds of the time went by waiting for others.

After the gradient controller of Envoy's adaptive concurrency filter, which also measures
its baseline again at a low limit now and then. A baseline that follows the average, as in
Netflix's Gradient2, learns the overload that it should detect.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import Protocol

# Below two, one stuck request would stop everything.
FLOOR = 2


class Limiter(Protocol):
    """What `Admission` asks: how many may be inside now."""

    limit: float
    # The limit but for moments in which it is held down to measure.
    usual_limit: float

    def finished(
        self, route: str, seconds: float, *, inflight: int, now: float
    ) -> None:
        """Learn from a request that never had more than ``inflight`` inside with it."""

    def tick(self, now: float) -> None:
        """Notice that time has passed; called some times a second while requests come."""


class FixedLimit:
    """Learns nothing."""

    def __init__(self, limit: float) -> None:
        self.limit = self.usual_limit = float(limit)

    def finished(
        self, route: str, seconds: float, *, inflight: int, now: float
    ) -> None:
        pass

    def tick(self, now: float) -> None:
        pass


class NoLimit(FixedLimit):
    """Lets everything in: the null implementation."""

    def __init__(self) -> None:
        super().__init__(1e9)


class GradientLimit:
    """The limit times (wanted slowness / slowness), and a little room to grow.

    The slowness of a window is the ratio of two sums, so that it doesn't depend on the mix of
    short and long requests in it: a read of half a millisecond that waits five for its turn
    weighs as much as it is long. No single request counts for more than ``clip`` times
    what was expected, or one slow payment would look like an overload.

    It grows only while it is used to the full: an idle night must not leave it at the cap.
    """

    def __init__(
        self,
        *,
        cap: float,
        tolerance: float = 1.5,
        room: float = 0.5,
        smoothing: float = 0.5,
        clip: float = 10.0,
        window_seconds: float = 0.25,
        window_samples: int = 20,
    ) -> None:
        self.limit = float(FLOOR)
        # Of the last whole window; what is shown to people.
        self.slowness = 1.0
        self.mean_taken = self.mean_expected = 0.0
        self._cap = max(float(FLOOR), cap)
        self._tolerance = tolerance
        self._room = room
        self._smoothing = smoothing
        self._clip = clip
        self._window_seconds = window_seconds
        self._window_samples = window_samples
        self._window_end = -math.inf
        self._begin_window()

    def _begin_window(self) -> None:
        self._taken = 0.0
        self._expected = 0.0
        self._samples = 0
        self._peak_inflight = 0

    def observe(
        self, taken: float, expected: float, *, inflight: int, now: float
    ) -> None:
        self._taken += min(taken, self._clip * expected)
        self._expected += expected
        self._samples += 1
        self._peak_inflight = max(self._peak_inflight, inflight)
        if now < self._window_end or self._samples < self._window_samples:
            return
        self.slowness = self._taken / max(self._expected, 1e-9)
        self.mean_taken = self._taken / self._samples
        self.mean_expected = self._expected / self._samples
        wanted = self._wanted()
        is_used = self._peak_inflight >= int(self.limit)
        if wanted < self.limit or is_used:
            moved = self.limit + (wanted - self.limit) * self._smoothing
            self.limit = min(self._cap, max(FLOOR, moved))
        self._begin_window()
        self._window_end = now + self._window_seconds

    def _wanted(self) -> float:
        gradient = self._tolerance / max(self.slowness, 1e-9)
        # One window is never believed further than a half or double.
        bounded = min(2.0, max(0.5, gradient))
        return bounded * self.limit + self._room * math.sqrt(self.limit)


@dataclass(slots=True)
class _Baseline:
    seconds: float
    samples: int = 1


class Baselines:
    """What each route takes when the house is calm: at most ``FLOOR`` requests inside.

    Only those requests are learned from, so that no overload, however long, becomes what
    is expected. It falls sooner than it rises and so settles at the faster requests of a
    route. The fastest of the first ones is the start, since a process that has just
    begun is slow.
    """

    FIRST = 20
    FALL, RISE = 0.1, 0.03
    # One that was stuck says nothing about the route.
    MOST = 10.0

    def __init__(self, *, most_routes: int = 1000) -> None:
        self._most_routes = most_routes
        self._of_route: dict[str, _Baseline] = {}

    def expected(self, route: str) -> float | None:
        """Return the seconds; None for a route that hasn't been seen calm."""
        found = self._of_route.get(route)
        return None if found is None else found.seconds

    def learn(self, route: str, seconds: float) -> None:
        found = self._of_route.get(route)
        if found is None:
            if len(self._of_route) < self._most_routes:
                self._of_route[route] = _Baseline(seconds)
            return
        found.samples += 1
        if found.samples <= self.FIRST:
            found.seconds = min(found.seconds, seconds)
            return
        share = self.FALL if seconds < found.seconds else self.RISE
        bounded = min(seconds, found.seconds * self.MOST)
        found.seconds += (bounded - found.seconds) * share


class AdaptiveLimit:
    """`GradientLimit` fed by `Baselines`: the limiter that the server uses.

    A busy server is never calm by itself, so once a minute it is made so: held at the floor
    until enough requests were seen, a second at most. The instants are jittered, so
    that processes don't do it together.
    """

    CALM_EVERY_SECONDS = 60.0
    CALM_SAMPLES = 50
    CALM_SECONDS = 1.0

    def __init__(self, *, cap: float, random: Random | None = None) -> None:
        self.gradient = GradientLimit(cap=cap)
        self.baselines = Baselines()
        self.limit = self.usual_limit = self.gradient.limit
        self._random = random or Random()  # noqa: S311 -- jitter, no secret
        self._calm_seen = 0
        self._calm_until: float | None = None
        self._calm_due: float | None = None

    def finished(
        self, route: str, seconds: float, *, inflight: int, now: float
    ) -> None:
        expected = self.baselines.expected(route)
        if inflight <= FLOOR:
            self.baselines.learn(route, seconds)
            self._calm_seen += 1
        if expected is not None and self._calm_until is None:
            self.gradient.observe(seconds, expected, inflight=inflight, now=now)
        if self._calm_due is None or now >= self._calm_due:
            self.tick(now)
        else:
            self.limit = self.usual_limit = self.gradient.limit

    def tick(self, now: float) -> None:
        if self._calm_due is None or self._calm_seen >= self.CALM_SAMPLES:
            self._end_calm(now)
        elif self._calm_until is not None:
            if now >= self._calm_until:
                self._end_calm(now)
        elif now >= self._calm_due:
            self._calm_seen = 0
            self._calm_until = now + self.CALM_SECONDS
        self.usual_limit = self.gradient.limit
        self.limit = self.usual_limit if self._calm_until is None else float(FLOOR)

    def _end_calm(self, now: float) -> None:
        self._calm_seen = 0
        self._calm_until = None
        wait = self.CALM_EVERY_SECONDS * self._random.uniform(0.8, 1.2)
        self._calm_due = now + wait
