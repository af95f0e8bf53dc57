"""Shared buckets, asked for one request in several while they are far from empty.

From a bucket that was at least half full a process takes a twenty-fifth more than it
needs, and for a second grants requests out of that. What is left over goes back with the
next question. So all processes together never grant more than the bucket holds; near its
end a bucket may lack what others hold for that second. Below one half, where a
twenty-fifth is less than a request, and for strict ones, every request asks.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from redis import RedisError

from core.protection.token_bucket import Bucket, Buckets, Level

PREPAID_SHARE = 0.04
FULL_ENOUGH = 0.5
PREPAID_SECONDS = 1.0


@dataclass(slots=True)
class _Purse:
    """What this process knows of a bucket, and what it took from it in advance."""

    remaining: float = 0.0
    prepaid: float = 0.0
    until: float = 0.0
    was_full_enough: bool = True


class SparingBuckets:
    def __init__(
        self,
        shared: Buckets,
        *,
        size: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._purses: OrderedDict[str, _Purse] = OrderedDict()

    def __len__(self) -> int:
        return len(self._purses)

    def take(self, buckets: Sequence[Bucket]) -> list[Level]:
        """Take every cost, or none; redis errors reach the caller."""
        now = self._clock()
        with self._lock:
            purses = [self._purses.get(b.key) for b in buckets]
            levels = _spend(buckets, purses, now)
            if levels is not None:
                return levels
            # Taken out, so that a thread that asks at the same time has it not as well.
            left = [_empty(purse) for purse in purses]
        more = [_advance(b, p) for b, p in zip(buckets, purses, strict=True)]
        try:
            levels, is_taken = self._ask(buckets, left, more)
            if not is_taken and _would_pass(buckets, levels, left):
                more = [0] * len(buckets)
                levels, is_taken = self._ask(buckets, left, more)
        except RedisError:
            self._put_back(buckets, left)
            raise
        held = [
            extra if is_taken and not level.is_short else rest
            for level, rest, extra in zip(levels, left, more, strict=True)
        ]
        return self._settle(buckets, levels, held, now)

    def _ask(
        self, buckets: Sequence[Bucket], left: Sequence[float], more: Sequence[int]
    ) -> tuple[list[Level], bool]:
        asked = [
            replace(b, cost=b.cost + extra - rest) if extra != rest else b
            for b, rest, extra in zip(buckets, left, more, strict=True)
        ]
        levels = self._shared.take(asked)
        is_refused = any(
            level.is_short and b.refuses
            for b, level in zip(buckets, levels, strict=True)
        )
        return levels, not is_refused

    def _settle(
        self,
        buckets: Sequence[Bucket],
        levels: Sequence[Level],
        held: Sequence[float],
        now: float,
    ) -> list[Level]:
        with self._lock:
            for bucket, level, own in zip(buckets, levels, held, strict=True):
                if own or _allowance(bucket):
                    purse = self._purse(bucket.key)
                    purse.prepaid += own
                    purse.remaining = level.remaining
                    full = bucket.capacity * FULL_ENOUGH
                    purse.was_full_enough = level.remaining >= full
                    purse.until = now + PREPAID_SECONDS
        return [
            Level(level.remaining + own, level.wait_seconds) if own else level
            for level, own in zip(levels, held, strict=True)
        ]

    def _put_back(self, buckets: Sequence[Bucket], left: Sequence[float]) -> None:
        with self._lock:
            for bucket, rest in zip(buckets, left, strict=True):
                if rest:
                    self._purse(bucket.key).prepaid += rest

    def _purse(self, key: str) -> _Purse:
        purse = self._purses.setdefault(key, _Purse())
        self._purses.move_to_end(key)
        while len(self._purses) > self._size:
            self._purses.popitem(last=False)
        return purse


def _allowance(bucket: Bucket) -> int:
    return 0 if bucket.is_strict else int(bucket.capacity * PREPAID_SHARE)


def _advance(bucket: Bucket, purse: _Purse | None) -> int:
    if purse is not None and not purse.was_full_enough:
        return 0
    return _allowance(bucket)


def _empty(purse: _Purse | None) -> float:
    if purse is None:
        return 0.0
    prepaid, purse.prepaid, purse.until = purse.prepaid, 0.0, 0.0
    return prepaid


def _would_pass(
    buckets: Sequence[Bucket], levels: Sequence[Level], left: Sequence[float]
) -> bool:
    """Tell whether only what was asked for in advance was too much."""
    return all(
        level.remaining + rest >= b.cost
        for b, level, rest in zip(buckets, levels, left, strict=True)
        if b.refuses
    )


def _spend(
    buckets: Sequence[Bucket], purses: Sequence[_Purse | None], now: float
) -> list[Level] | None:
    """Grant out of what was taken before; None when one bucket must be asked."""
    levels = []
    for bucket, purse in zip(buckets, purses, strict=True):
        if purse is None or now >= purse.until or purse.prepaid < bucket.cost:
            return None
        levels.append(Level(purse.remaining + purse.prepaid - bucket.cost, 0.0))
    for bucket, purse in zip(buckets, purses, strict=True):
        if purse is not None:
            purse.prepaid -= bucket.cost
    return levels
