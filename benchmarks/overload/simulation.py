"""A server under load, half an hour of it in seconds: who keeps it answering.

Discrete events with a seed, and the admission that the server runs. A request first
waits for others (the database), then works. Each process works on one request's worth at a
time however many are inside, as Python does, and all processes share the cores. Switching
between those inside costs a little: that is what brings down a server that lets all in.
"""

import heapq
import random
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, count

from core.protection.admission import Admission, Waiter
from core.protection.concurrency import Limiter


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    seconds: float
    share: float
    priority: int = 50
    # How many ranks its callers are spread over, to the next class.
    width: int = 20
    # How much of its time it waits for others.
    waiting: float = 0.3


def steady(_: float) -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    routes: tuple[Route, ...]
    # Requests a second as a multiple of what the server can do, and how much slower
    # its work is, at an instant.
    load: Callable[[float], float]
    slowdown: Callable[[float], float] = steady
    seconds: float = 60.0
    cores: int = 2
    processes: int = 2
    switching: float = 0.004
    patience_seconds: float = 2.0

    @property
    def capacity(self) -> float:
        """Requests a second that the cores can do, if nothing is lost by switching."""
        shares = sum(route.share for route in self.routes)
        work = sum(r.share * r.seconds * (1 - r.waiting) for r in self.routes)
        return min(self.cores, self.processes) * shares / work


@dataclass(slots=True)
class Finished:
    route: Route
    at: float
    seconds: float
    work: float


@dataclass(slots=True)
class Outcome:
    patience_seconds: float
    cores: int
    offered: Counter[str] = field(default_factory=Counter)
    lost_at: list[float] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)

    def _done(self, since: float, until: float, route: str = "") -> Iterator[Finished]:
        for done in self.finished:
            if since <= done.at < until and route in {"", done.route.name}:
                yield done

    def useful(self, *, since: float, until: float) -> float:
        """Return the share of the machine's time that went into answers in time."""
        work = sum(
            done.work
            for done in self._done(since, until)
            if done.seconds <= self.patience_seconds
        )
        return work / (self.cores * (until - since))

    def in_time(self, *, since: float, until: float) -> int:
        return sum(
            done.seconds <= self.patience_seconds for done in self._done(since, until)
        )

    def served(self, route: str) -> float:
        """Return the share of a route's requests that were answered in time."""
        found = self._done(0.0, float("inf"), route)
        in_time = sum(done.seconds <= self.patience_seconds for done in found)
        return in_time / max(1, self.offered[route])

    def percentile(
        self, share: float, *, since: float, until: float, route: str = ""
    ) -> float:
        """Return a latency of those that were answered, in time or not."""
        found = sorted(done.seconds for done in self._done(since, until, route))
        return found[int(share * (len(found) - 1))] if found else 0.0

    def limit(self, *, since: float, until: float) -> float:
        """Return the mean limit of all processes together."""
        found = [limit for at, limit in self.limits if since <= at < until]
        return sum(found) / len(found) if found else 0.0


@dataclass(slots=True)
class _Job:
    waiter: Waiter
    route: Route
    waiting: float
    work: float


class _Process:
    """One process: its admission, and those it works on, each at the same speed."""

    def __init__(self, limiter: Limiter) -> None:
        self.admission = Admission(limiter)
        self.waiting: list[_Job] = []
        self.working: list[tuple[float, int, _Job]] = []
        self.progress = 0.0
        self.speed = 0.0

    def until_done(self) -> float:
        if not self.working:
            return float("inf")
        return max(0.0, self.working[0][0] - self.progress) / self.speed


class Simulation:
    def __init__(
        self, scenario: Scenario, make_limiter: Callable[[int], Limiter], seed: int
    ) -> None:
        self._scenario = scenario
        self._outcome = Outcome(scenario.patience_seconds, scenario.cores)
        self._random = random.Random(seed)
        self._now = 0.0
        self._processes = [_Process(make_limiter(n)) for n in range(scenario.processes)]
        self._asleep: list[tuple[float, int, _Process, _Job]] = []
        self._tickets = count()
        self._shares = [*accumulate(route.share for route in scenario.routes)]
        self._next_look = 0.0

    def run(self) -> Outcome:
        scenario = self._scenario
        arrival = self._gap()
        while self._now < scenario.seconds:
            busiest = min(self._processes, key=_Process.until_done)
            done = self._now + busiest.until_done()
            awake = self._asleep[0][0] if self._asleep else float("inf")
            at = min(arrival, done, awake)
            self._advance(at - self._now)
            if at == arrival:
                self._arrive()
                arrival = self._now + self._gap()
            elif at == awake:
                _, _, process, job = heapq.heappop(self._asleep)
                self._work(process, job)
            else:
                self._finish(busiest)
            self._set_speeds()
        return self._outcome

    def _gap(self) -> float:
        rate = self._scenario.capacity * self._scenario.load(self._now)
        return self._random.expovariate(rate)

    def _set_speeds(self) -> None:
        busy = sum(1 for process in self._processes if process.working)
        if not busy:
            return
        slowdown = self._scenario.slowdown(self._now)
        core = min(1.0, self._scenario.cores / busy) / slowdown
        for process in self._processes:
            if process.working:
                inside = process.admission.inflight
                lost = 1 + self._scenario.switching * max(0, inside - 1)
                process.speed = core / lost / len(process.working)

    def _advance(self, seconds: float) -> None:
        for process in self._processes:
            if process.working:
                process.progress += seconds * process.speed
        self._now += seconds

    def _arrive(self) -> None:
        routes = self._scenario.routes
        route = routes[bisect(self._shares, self._random.random() * self._shares[-1])]
        self._outcome.offered[route.name] += 1
        process = self._random.choice(self._processes)
        waiter = process.admission.arrive(
            priority=route.priority,
            rank=route.priority + route.width * self._random.random(),
            now=self._now,
        )
        # No request takes less than a third of the mean: reading and sending take time.
        seconds = max(self._random.expovariate(1 / route.seconds), route.seconds / 3)
        waiting = seconds * route.waiting * self._scenario.slowdown(self._now)
        work = seconds * (1 - route.waiting)
        process.waiting.append(_Job(waiter, route, waiting, work))
        self._settle(process)
        if self._now >= self._next_look:
            limits = (p.admission.limiter.usual_limit for p in self._processes)
            self._outcome.limits.append((self._now, sum(limits)))
            self._next_look = self._now + 1.0

    def _settle(self, process: _Process) -> None:
        """Start what was admitted, count what was shed."""
        still_waiting = []
        for job in process.waiting:
            if job.waiter.is_waiting and job.waiter.give_up_at <= self._now:
                process.admission.give_up(job.waiter, self._now)
            if job.waiter.is_waiting:
                still_waiting.append(job)
            elif job.waiter.is_admitted:
                until = self._now + job.waiting
                heapq.heappush(self._asleep, (until, next(self._tickets), process, job))
            else:
                self._outcome.lost_at.append(self._now)
        process.waiting = still_waiting

    def _work(self, process: _Process, job: _Job) -> None:
        due = process.progress + job.work
        heapq.heappush(process.working, (due, next(self._tickets), job))

    def _finish(self, process: _Process) -> None:
        _, _, job = heapq.heappop(process.working)
        process.admission.leave(job.waiter, now=self._now, route=job.route.name)
        seconds = self._now - job.waiter.arrived_at
        done = Finished(job.route, self._now, seconds, job.work)
        self._outcome.finished.append(done)
        self._settle(process)
