"""What the protections did, counted for all processes together in one hash in Valkey.

A process counts in memory and adds to the hash every few seconds, and to one for the
stretch of time in which it happened. While Valkey is out the counts wait here.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import redis
from django.conf import settings
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from core.protection.keeper import keeper
from core.protection.line import line

# Name in the hash before the first "|" → the metric, its help, and what the parts after
# that name are.
_FAMILIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "requests": (
        "rate_limit_requests",
        "Requests that were counted against a quota.",
        ("role", "outcome"),
    ),
    "refusals": (
        "rate_limit_refusals",
        "Requests that a policy refused, or would have.",
        ("policy", "enforced"),
    ),
    "near": (
        "rate_limit_near",
        "Requests that left less than a fifth of a quota.",
        ("policy",),
    ),
    "fallback": (
        "rate_limit_fallback",
        "Requests counted in the process because Valkey was out.",
        (),
    ),
    "blocked": (
        "rate_limit_blocked",
        "Requests from blocked addresses.",
        ("enforced",),
    ),
    "shed": (
        "load_shedding_shed",
        "Requests that were refused for want of capacity, or would have been.",
        ("priority", "reason", "enforced"),
    ),
    "late": (
        "deadline_exceeded",
        "Requests that took longer than they may, or would have been stopped.",
        ("enforced",),
    ),
    "task": (
        "deadline_dropped_tasks",
        "Messages whose deadline had passed before a worker came to them.",
        ("task",),
    ),
    "retry": (
        "retries",
        "Retries that were made, or forgone for want of budget or time.",
        ("dependency", "outcome"),
    ),
    "statement": (
        "deadline_statements",
        "Statements refused, canceled or cut off because their time was up.",
        ("outcome",),
    ),
    "outgoing": (
        "outgoing_calls",
        "Attempts at calls to other servers, by how they ended.",
        ("dependency", "operation", "outcome"),
    ),
    "outgoing_ms": (
        "outgoing_milliseconds",
        "How long attempts at calls to other servers took, added up.",
        ("dependency",),
    ),
    "retention": (
        "retention_removed",
        "Rows that were removed because they had been kept long enough.",
        ("data",),
    ),
    "stale": (
        "stale_answers",
        "Public reads that were answered as last known, with the database out.",
        ("namespace",),
    ),
    "answers": (
        "answers",
        "Requests that were answered.",
        ("status", "priority"),
    ),
    "breaker_calls": (
        "breaker_calls",
        "How calls to dependencies ended, or that a breaker refused them.",
        ("breaker", "outcome"),
    ),
    "breaker_changes": (
        "breaker_changes",
        "How often a breaker of a process went into a state.",
        ("breaker", "to"),
    ),
}


# What was counted within such a stretch of time stays together, for charts.
SLOT_SECONDS = 5
HISTORY_SECONDS = 900

Slot = int


class Counters:
    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[Slot, Counter[str]] = {}

    def add(self, *names: str) -> None:
        slot = int(self._clock()) // SLOT_SECONDS
        with self._lock:
            counts = self._counts.get(slot)
            if counts is None:
                counts = self._counts[slot] = Counter()
            for name in names:
                counts[name] += 1

    def add_many(self, counts: Mapping[str, int]) -> None:
        slot = int(self._clock()) // SLOT_SECONDS
        with self._lock:
            self._counts.setdefault(slot, Counter()).update(counts)

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()

    def flush(self) -> None:
        """Add what was counted since the last time; nothing is lost if that fails."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            line.call_all(self._commands(counts))
        except redis.RedisError:
            with self._lock:
                for slot, some in counts.items():
                    kept = self._counts.setdefault(self._kept(slot), Counter())
                    kept.update(some)

    def _commands(self, counts: Mapping[Slot, Counter[str]]) -> list[tuple[Any, ...]]:
        totals: Counter[str] = Counter()
        commands: list[tuple[Any, ...]] = []
        for slot, some in counts.items():
            totals.update(some)
            if self._kept(slot):
                key = _slot_key(slot)
                commands += [("HINCRBY", key, name, n) for name, n in some.items()]
                commands.append(("EXPIRE", key, HISTORY_SECONDS))
        commands += [("HINCRBY", _hash(), name, n) for name, n in totals.items()]
        return commands

    def _kept(self, slot: Slot) -> Slot:
        """Return the slot, or 0 for all that are too old to be charted."""
        newest = int(self._clock()) // SLOT_SECONDS
        return slot if (newest - slot) * SLOT_SECONDS < HISTORY_SECONDS else 0


def totals() -> dict[str, int]:
    """Return every process's counts; empty while Valkey is out."""
    counters.flush()
    try:
        return _counts(line.call("HGETALL", _hash()))
    except redis.RedisError:
        return {}


def history(*, after: Slot, until: Slot) -> dict[Slot, dict[str, int]]:
    """Return what all processes counted in each slot; empty while Valkey is out."""
    slots = range(after + 1, until + 1)
    if not slots:
        return {}
    try:
        found = line.call_all([("HGETALL", _slot_key(slot)) for slot in slots])
    except redis.RedisError:
        return {}
    return {slot: _counts(flat) for slot, flat in zip(slots, found, strict=True)}


def _counts(flat: Any) -> dict[str, int]:
    pairs = flat.items() if isinstance(flat, dict) else zip(*[iter(flat)] * 2)  # noqa: B905 -- pairs
    return {name.decode(): int(count) for name, count in pairs}


def _hash() -> str:
    return f"{_prefix()}:counts"


def _slot_key(slot: Slot) -> str:
    return f"{_prefix()}:counts:{slot}"


def _prefix() -> str:
    return f"{settings.CACHES['default']['KEY_PREFIX']}:limits"


class CountCollector(Collector):
    def collect(self) -> Iterator[CounterMetricFamily]:
        found = totals()
        for family, (metric_name, text, labels) in _FAMILIES.items():
            metric = CounterMetricFamily(
                f"shopwright_{metric_name}", text, labels=labels
            )
            for name, count in found.items():
                head, *values = name.split("|")
                if head == family and len(values) == len(labels):
                    metric.add_metric(values, count)
            yield metric

    def describe(self) -> Iterator[CounterMetricFamily]:
        # Else registering would ask Valkey.
        return iter(())


counters = Counters()
keeper.add(counters.flush)
