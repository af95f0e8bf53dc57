"""Limiters to compare ours with, fed with the same baselines."""

import math
import statistics
from random import Random

from core.protection.concurrency import FLOOR, Baselines


class Windowed:
    """Gathers a window of samples and lets a subclass decide once per window."""

    WINDOW_SECONDS = 0.25
    WINDOW_SAMPLES = 20

    def __init__(self, *, cap: float, initial: float = 8.0) -> None:
        self.limit = self.usual_limit = initial
        self._cap = cap
        self._baselines = Baselines()
        self._samples: list[float] = []
        self._peak_inflight = 0
        self._window_end = -math.inf

    def finished(
        self, route: str, seconds: float, *, inflight: int, now: float
    ) -> None:
        expected = self._baselines.expected(route)
        self.learn(route, seconds, inflight)
        if expected is None:
            return
        self._samples.append(seconds / expected)
        self._peak_inflight = max(self._peak_inflight, inflight)
        if now < self._window_end or len(self._samples) < self.WINDOW_SAMPLES:
            return
        wanted = self.decide(sorted(self._samples), self._peak_inflight)
        self.limit = self.usual_limit = min(self._cap, max(FLOOR, wanted))
        self._samples.clear()
        self._peak_inflight = 0
        self._window_end = now + self.WINDOW_SECONDS

    def learn(self, route: str, seconds: float, inflight: int) -> None:
        """Take the baseline from calm requests, as ours does."""
        if inflight <= FLOOR:
            self._baselines.learn(route, seconds)

    def tick(self, now: float) -> None:
        pass

    def decide(self, samples: list[float], peak_inflight: int) -> float:
        raise NotImplementedError


class AimdLimit(Windowed):
    """One more per window while the median is near the baseline; a tenth less when it isn't."""

    TOLERANCE = 2.0
    BACKOFF = 0.9

    def decide(self, samples: list[float], peak_inflight: int) -> float:
        if statistics.median(samples) > self.TOLERANCE:
            return self.limit * self.BACKOFF
        if peak_inflight >= int(self.limit):
            return self.limit + 1
        return self.limit


class EnvoyGradientLimit(Windowed):
    """Envoy's: the median against a baseline measured at a limit of 3 once a minute."""

    BUFFER = 0.25
    EVERY_SECONDS, CALM_SAMPLES, CALM_LIMIT = 60.0, 50, 3

    def __init__(self, *, cap: float, random: Random) -> None:
        super().__init__(cap=cap)
        self._random = random
        self._calm_left = self.CALM_SAMPLES
        self._due = math.inf
        self.limit = float(self.CALM_LIMIT)

    def learn(self, route: str, seconds: float, inflight: int) -> None:
        # Those who came before the others had left say nothing.
        if self._calm_left and inflight <= self.CALM_LIMIT:
            self._baselines.learn(route, seconds)
            self._calm_left -= 1

    def tick(self, now: float) -> None:
        if self._calm_left:
            self.limit = float(self.CALM_LIMIT)
            self._due = math.inf
        elif self._due == math.inf:
            self._due = now + self.EVERY_SECONDS * self._random.uniform(0.85, 1.15)
            self.limit = self.usual_limit
        elif now >= self._due:
            self._calm_left = self.CALM_SAMPLES

    def decide(self, samples: list[float], peak_inflight: int) -> float:
        gradient = (1 + self.BUFFER) / max(1e-9, statistics.median(samples))
        bounded = max(0.5, min(2.0, gradient))
        wanted = bounded * self.usual_limit + math.sqrt(self.usual_limit)
        if wanted > self.usual_limit and peak_inflight < self.usual_limit / 2:
            return self.usual_limit
        return wanted


class Gradient2Limit(Windowed):
    """Netflix's second gradient: a long average is the baseline, and so follows the overload."""

    SMOOTHING = 0.2
    TOLERANCE = 1.5
    LONG_WINDOW = 600

    def __init__(self, *, cap: float) -> None:
        super().__init__(cap=cap, initial=20.0)
        self._long = 0.0

    def learn(
        self,
        route: str,
        seconds: float,
        inflight: int,  # noqa: ARG002 -- it asks for no calm
    ) -> None:
        # It knows one baseline for all; the unit must only stay the same.
        if self._baselines.expected(route) is None:
            self._baselines.learn(route, seconds)

    def decide(self, samples: list[float], peak_inflight: int) -> float:
        short = statistics.fmean(samples)
        share = 1 / self.LONG_WINDOW if self._long else 1.0
        self._long += (short - self._long) * share
        if self._long / short > 2:
            self._long *= 0.95
        if peak_inflight < self.limit / 2:
            return self.limit
        gradient = max(0.5, min(1.0, self.TOLERANCE * self._long / short))
        wanted = gradient * self.limit + math.sqrt(self.limit)
        return self.limit * (1 - self.SMOOTHING) + wanted * self.SMOOTHING
