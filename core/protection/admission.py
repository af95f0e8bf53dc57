"""Who may run now, who waits, and who is refused while there is still time to say so.

`Admission` is the whole decision without threads or a clock of its own, so that the
simulation and the server run the same code; `core.protection.gate` lets threads wait on it.

Sources: CoDel (Nichols and Jacobson 2012, RFC 8289) for how long a queue may stand; last in,
first out under overload after Facebook's "Fail at Scale" (2015); priorities by criticality
after Google's "Handling Overload", spread within a class by caller as in WeChat's DAGOR.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from core.protection.concurrency import Limiter
from core.protection.tally import Reason, Tally
from core.protection.threshold import Threshold

MAX_WAIT_SECONDS = 0.5
CODEL_TARGET_SECONDS = 0.05
CODEL_INTERVAL_SECONDS = 0.5
# Arrivals look how full the house is, at most so often; a tick takes the mean.
LOOK_SECONDS = 0.002
TICK_SECONDS = 0.05
# Who pays, has begun, signs in or keeps the shop goes before those who look around.
URGENT_BELOW = 50
# So long the others make way for one of them. Who takes longer isn't soon done.
WAY_SECONDS = 0.5


@dataclass(eq=False, slots=True)
class Waiter:
    """A request before the view. ``rank`` is its priority and its place within that.

    Neither ``is_admitted`` nor a ``reason``: it waits, and ``wake`` is called when it doesn't
    any longer.
    """

    priority: int
    rank: float
    arrived_at: float
    give_up_at: float
    is_admitted: bool = False
    reason: Reason | None = None
    admitted_at: float = 0.0
    left_at: float = 0.0
    # How many were inside with it at most, as far as is known.
    company: int = 0
    aside_seconds: float = 0.0
    wake: Callable[[], None] | None = None

    @property
    def is_waiting(self) -> bool:
        return not self.is_admitted and self.reason is None

    @property
    def is_urgent(self) -> bool:
        return self.priority < URGENT_BELOW

    def seconds_inside(self, now: float) -> float:
        return now - self.admitted_at - self.aside_seconds


class _Lane:
    """Those of one priority who wait, and since when the oldest has waited too long."""

    __slots__ = ("_late_since", "queue")

    def __init__(self) -> None:
        self.queue: deque[Waiter] = deque()
        self._late_since: float | None = None

    def watch(self, now: float) -> None:
        oldest = self.queue[0].arrived_at if self.queue else now
        if now - oldest < CODEL_TARGET_SECONDS:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now

    def is_standing(self, now: float) -> bool:
        """Tell whether it has been above CoDel's target for a whole interval."""
        since = self._late_since
        return since is not None and now - since >= CODEL_INTERVAL_SECONDS

    def take(self, now: float) -> Waiter:
        """Take the oldest; under overload the youngest, whose client is still there."""
        self.watch(now)
        is_last_first = self.is_standing(now)
        return self.queue.pop() if is_last_first else self.queue.popleft()


class Admission:
    """A limit, a bounded queue behind it, and the rules between the two. Not thread-safe.

    ``outside_load`` tells further signs of load, from 0 to 1. ``places`` bounds the queue
    whatever the limit, since each who waits takes a thread.
    """

    def __init__(
        self,
        limiter: Limiter,
        *,
        outside_load: Callable[[], float] = lambda: 0.0,
        places: float = math.inf,
    ) -> None:
        self.limiter = limiter
        self.threshold = Threshold()
        self.inflight = 0
        self.queued = 0
        self.aside = 0
        # Let through the door, and not here yet.
        self.coming = 0
        self.tally = Tally()
        self._outside_load = outside_load
        self._places = places
        self._lanes: dict[int, _Lane] = {}
        # Those inside who are urgent, and whether the others make way for one of them.
        self._urgent: list[Waiter] = []
        self._makes_way = False
        self._occupancy = 0.0
        self._looks = 0
        self._next_look = self._next_tick = -math.inf

    @property
    def queue_bound(self) -> int:
        return int(min(2 * self.limiter.usual_limit, self._places))

    def arrive(
        self, *, priority: int, rank: float, now: float, deadline: float = math.inf
    ) -> Waiter:
        """Admit, refuse at once, or leave waiting; the waiter tells which."""
        if now >= self._next_look:
            self._note_arrival(now)
        waiter = Waiter(priority, rank, now, deadline)
        reason = self._obstacle(waiter, now)
        if reason is not None:
            self._refuse(waiter, reason)
        elif self._goes_first(priority) and self.has_place(priority):
            self._admit(waiter, now)
        else:
            self._queue(waiter, now)
        return waiter

    def admit_anyway(
        self, *, priority: int, rank: float, now: float, deadline: float = math.inf
    ) -> Waiter:
        """Admit, and count what `arrive` would have refused. For trying it out."""
        if now >= self._next_look:
            self._note_arrival(now)
        waiter = Waiter(priority, rank, now, deadline)
        reason = self._obstacle(waiter, now)
        full = int(self.limiter.limit) + self.queue_bound
        if reason is None and self.inflight >= full:
            reason = Reason.QUEUE_FULL
        if reason is not None:
            self.tally.would_shed[priority, reason] += 1
        self._admit(waiter, now)
        return waiter

    def refuse_at_once(self, *, priority: int, rank: float, now: float) -> bool:
        """Refuse whom `arrive` would refuse when those have come who are on their way.

        False decides nothing.
        """
        over = rank - self.threshold.value
        if over >= 0 and not self._has_room(priority, over):
            reason = Reason.PRIORITY
        elif self._is_full_for(priority) or self._will_be_full_for(priority):
            reason = Reason.QUEUE_FULL
            self.threshold.found_full(rank)
        else:
            return False
        if now >= self._next_look:
            self._note_arrival(now)
        self.tally.shed[priority, reason] += 1
        return True

    def leave(self, waiter: Waiter, *, now: float, route: str | None) -> None:
        """Let out one who was admitted. Without a route nothing is learned from it."""
        waiter.left_at = now
        if route is not None:
            company = max(waiter.company, self.inflight)
            seconds = waiter.seconds_inside(now)
            self.limiter.finished(route, seconds, inflight=company, now=now)
        self._count_out(waiter, now)
        self.admit_waiting(now)

    def step_aside(self, waiter: Waiter, now: float) -> None:
        """Give its place free while it only waits for somebody else's server.

        Else a slow payment provider would fill the house with those who do nothing.
        """
        waiter.aside_seconds -= now
        self._count_out(waiter, now)
        self.aside += 1
        self.admit_waiting(now)

    def step_back(self, waiter: Waiter, now: float) -> None:
        """Take a place again, without queueing: what has begun is to be finished."""
        waiter.aside_seconds += now
        self._count_in(waiter, now)
        self.aside -= 1

    def give_up(self, waiter: Waiter, now: float) -> None:
        """Take one who has waited too long out of the queue, unless it is settled."""
        if waiter.is_waiting:
            lane = self._lanes[waiter.priority]
            lane.watch(now)
            lane.queue.remove(waiter)
            self.queued -= 1
            self._refuse(waiter, Reason.WAITED_TOO_LONG)

    def admit_waiting(self, now: float) -> None:
        while self.queued:
            priority = self._first_waiting()
            if not self.has_place(priority):
                return
            waiter = self._lanes[priority].take(now)
            self.queued -= 1
            if waiter.give_up_at <= now:
                self._refuse(waiter, Reason.WAITED_TOO_LONG)
            else:
                self._admit(waiter, now)

    def has_place(self, priority: float, *, before: int = 0) -> bool:
        """Tell whether a place is free for the priority after so many who go before.

        Who is urgent finds half as many more. As long as the others make way for one, they
        have the fewer the higher the load is, and none from a half on.
        """
        places = int(self.limiter.limit)
        if priority < URGENT_BELOW:
            places += places // 2
        elif self._makes_way:
            places = int(places * (1 - 2 * self.threshold.load))
        return self.inflight + before < places

    def _note_arrival(self, now: float) -> None:
        self._next_look = now + LOOK_SECONDS
        if self._makes_way:
            self._look_at_urgent(now)
            self.admit_waiting(now)
        self._occupancy += self.load()
        self._looks += 1
        if now >= self._next_tick:
            load = max(self._occupancy / self._looks, self._outside_load())
            self._occupancy, self._looks = 0.0, 0
            self.threshold.update(load, now)
            self.limiter.tick(now)
            self._next_tick = now + TICK_SECONDS

    def load(self) -> float:
        """Return how full the house is: 0.3 when all places are taken, 1 with the queue."""
        limit = self.limiter.usual_limit
        inside = min(1.0, self.inflight / limit)
        # Those inside beyond the limit would wait if somebody had made them, and those
        # coming will.
        waiting = self.queued + max(0.0, self.inflight + self.coming - limit)
        return 0.3 * inside + 0.7 * min(1.0, waiting / max(1, self.queue_bound))

    def _obstacle(self, waiter: Waiter, now: float) -> Reason | None:
        if waiter.give_up_at <= now:
            return Reason.DEADLINE
        over = waiter.rank - self.threshold.value
        is_let = over < 0 or self._has_room(waiter.priority, over)
        return None if is_let else Reason.PRIORITY

    def _has_room(self, priority: int, over: float) -> bool:
        """Tell whether places are free for who isn't worth queueing.

        They are there to be used; the less important the request, the more of them
        have to be free.
        """
        few = int(self.limiter.limit) * (1 - over / 100)
        return self.queued == 0 and self.has_place(priority) and self.inflight < few

    def _queue(self, waiter: Waiter, now: float) -> None:
        if self._is_full_for(waiter.priority):
            self.threshold.found_full(waiter.rank)
            self._refuse(waiter, Reason.QUEUE_FULL)
            return
        if self.queued >= self.queue_bound:
            self._make_room()
        lane = self._lanes.get(waiter.priority)
        if lane is None:
            lane = self._lanes[waiter.priority] = _Lane()
        lane.watch(now)
        standing = lane.is_standing(now)
        patience = CODEL_TARGET_SECONDS if standing else MAX_WAIT_SECONDS
        waiter.give_up_at = min(waiter.give_up_at, now + patience)
        lane.queue.append(waiter)
        self.queued += 1
        # A place may be free that those before are about to be given.
        self.admit_waiting(now)

    def _is_full_for(self, priority: int) -> bool:
        """Tell whether the queue is full of those who are at least as important."""
        return self.queued >= self.queue_bound and priority >= self._last_waiting()

    def _will_be_full_for(self, priority: int) -> bool:
        """Tell the same of the queue as it will be when those have come who are coming.

        Who they are isn't known. Few of them are urgent.
        """
        if priority < max(URGENT_BELOW, self._last_waiting()):
            return False
        free = max(0, int(self.limiter.limit) - self.inflight)
        return self.queued + max(0, self.coming - free) >= self.queue_bound

    def _last_waiting(self) -> float:
        """Return the priority of the least important who wait."""
        waiting = (p for p, lane in self._lanes.items() if lane.queue)
        return max(waiting, default=-math.inf)

    def _make_room(self) -> None:
        """Refuse one of the least important who wait."""
        last = self._lanes[int(self._last_waiting())].queue
        worst = max(last, key=lambda waiter: waiter.rank)
        last.remove(worst)
        self.queued -= 1
        self._refuse(worst, Reason.PRIORITY)

    def _first_waiting(self) -> int:
        return min(p for p, lane in self._lanes.items() if lane.queue)

    def _goes_first(self, priority: int) -> bool:
        return self.queued == 0 or priority < self._first_waiting()

    def _count_in(self, waiter: Waiter, now: float) -> None:
        self.inflight += 1
        if waiter.is_urgent:
            self._urgent.append(waiter)
            self._look_at_urgent(now)

    def _count_out(self, waiter: Waiter, now: float) -> None:
        self.inflight -= 1
        if waiter.is_urgent:
            self._urgent.remove(waiter)
            self._look_at_urgent(now)

    def _look_at_urgent(self, now: float) -> None:
        self._makes_way = any(
            waiter.seconds_inside(now) < WAY_SECONDS for waiter in self._urgent
        )

    def _admit(self, waiter: Waiter, now: float) -> None:
        waiter.is_admitted = True
        waiter.admitted_at = now
        self._count_in(waiter, now)
        waiter.company = self.inflight
        self.tally.admitted[waiter.priority] += 1
        if now > waiter.arrived_at:
            self.tally.note_wait(now - waiter.arrived_at)
        if waiter.wake is not None:
            waiter.wake()

    def _refuse(self, waiter: Waiter, reason: Reason) -> None:
        waiter.reason = reason
        self.tally.shed[waiter.priority, reason] += 1
        if waiter.wake is not None:
            waiter.wake()
