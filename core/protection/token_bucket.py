"""Token buckets: in Valkey for all processes together, in this process for when it is gone.

A bucket holds at most ``capacity`` tokens and gains ``rate`` a second; a request takes its
cost from every bucket that applies to it, or from none.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, NamedTuple, Protocol

from redis.exceptions import NoScriptError

# Keys: one hash a bucket. Arguments: capacity, rate per second, cost, and 1 where it
# refuses, of each in turn. Answers, of each in turn: the tokens left (as text, so that
# fractions survive) and the milliseconds until the cost would be there. A refused call
# writes nothing; a bucket that is short but doesn't refuse is left as it is.
SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local levels, answer, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local capacity = tonumber(ARGV[4 * i - 3])
  local bucket = redis.call('HMGET', key, 'tokens', 'at')
  local tokens = tonumber(bucket[1]) or capacity
  local elapsed = math.max(0, now - (tonumber(bucket[2]) or now))
  tokens = math.min(capacity, tokens + elapsed * tonumber(ARGV[4 * i - 2]) / 1000000)
  levels[i] = tokens
  -- A billionth of a token: what adding fractions may have lost.
  if tokens + 1e-9 < tonumber(ARGV[4 * i - 1]) and ARGV[4 * i] == '1' then
    refused = true
  end
end
for i, key in ipairs(KEYS) do
  local capacity = tonumber(ARGV[4 * i - 3])
  local rate = tonumber(ARGV[4 * i - 2])
  local cost = tonumber(ARGV[4 * i - 1])
  local wait = math.max(0, math.ceil((cost - levels[i]) * 1000 / rate - 1e-6))
  if wait == 0 and not refused then
    levels[i] = math.min(capacity, math.max(0, levels[i] - cost))
    redis.call('HSET', key, 'tokens', string.format('%.17g', levels[i]), 'at', now)
    redis.call('PEXPIRE', key, math.ceil((capacity - levels[i]) * 1000 / rate) + 1000)
  end
  answer[2 * i - 1] = string.format('%.17g', levels[i])
  answer[2 * i] = wait
end
return answer
"""
# The same billionth.
ROUNDING = 1e-9
SCRIPT_NAME = sha1(SCRIPT.encode()).hexdigest()  # noqa: S324 -- Redis names scripts so


@dataclass(frozen=True, slots=True)
class Bucket:
    """A demand on one bucket: ``cost`` tokens out of ``key``; below 0 gives some back."""

    key: str
    capacity: float
    rate: float
    cost: float = 1
    # False: counted, but being short of tokens refuses nothing.
    refuses: bool = True
    # True: kept apart in this process's memory, where a flood of others can't push it out.
    is_strict: bool = False


class Level(NamedTuple):
    """What a bucket holds after the call, and how long until the cost would be there."""

    remaining: float
    wait_seconds: float

    @property
    def is_short(self) -> bool:
        return self.wait_seconds > 0


class Call(Protocol):
    def __call__(self, *words: Any) -> Any: ...


class Buckets(Protocol):
    def take(self, buckets: Sequence[Bucket]) -> list[Level]: ...


class SharedBuckets:
    """Buckets in Valkey. The clock is the server's, so a process's own may be wrong.

    Redis errors reach the caller, who decides what to do without.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    def take(self, buckets: Sequence[Bucket]) -> list[Level]:
        """Take every cost, or none if one that refuses is short."""
        words: list[Any] = [len(buckets), *(b.key for b in buckets)]
        for b in buckets:
            words += (b.capacity, b.rate, b.cost, int(b.refuses))
        try:
            answer = self._call("EVALSHA", SCRIPT_NAME, *words)
        except NoScriptError:
            # A new server, or one whose scripts were flushed; this teaches it again.
            answer = self._call("EVAL", SCRIPT, *words)
        return [
            Level(float(answer[n]), answer[n + 1] / 1000)
            for n in range(0, len(answer), 2)
        ]


class LocalBuckets:
    """The same in this process's memory, for at most ``size`` keys of each sort.

    The least recently used bucket is dropped first: a dropped one starts full again,
    which errs for the client. Nothing here is shared between processes.
    """

    def __init__(
        self, size: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        # The general ones, and the strict ones.
        self._levels: tuple[OrderedDict[str, tuple[float, float]], ...] = (
            OrderedDict(),
            OrderedDict(),
        )

    def __len__(self) -> int:
        return sum(map(len, self._levels))

    def take(self, buckets: Sequence[Bucket]) -> list[Level]:
        with self._lock:
            now = self._clock()
            levels = [_level(b, self._refilled(b, now)) for b in buckets]
            pairs = list(zip(buckets, levels, strict=True))
            if any(level.is_short and b.refuses for b, level in pairs):
                return levels
            return [
                level if level.is_short else self._taken(b, level, now)
                for b, level in pairs
            ]

    def _refilled(self, bucket: Bucket, now: float) -> float:
        kept = self._levels[bucket.is_strict]
        tokens, at = kept.get(bucket.key, (bucket.capacity, now))
        return min(bucket.capacity, tokens + max(0.0, now - at) * bucket.rate)

    def _taken(self, bucket: Bucket, level: Level, now: float) -> Level:
        left = min(bucket.capacity, max(0.0, level.remaining - bucket.cost))
        kept = self._levels[bucket.is_strict]
        kept[bucket.key] = (left, now)
        kept.move_to_end(bucket.key)
        while len(kept) > self._size:
            kept.popitem(last=False)
        return Level(left, 0.0)


def _level(bucket: Bucket, tokens: float) -> Level:
    lacking = bucket.cost - tokens
    return Level(tokens, lacking / bucket.rate if lacking > ROUNDING else 0.0)
