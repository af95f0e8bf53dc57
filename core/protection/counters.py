"""What the protections did, counted for all processes together in one hash in Valkey.

A process counts in memory and adds to the hash every few seconds. While Valkey is out the
counts wait here.
"""

import threading
from collections import Counter
from collections.abc import Iterator

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
    "late": (
        "deadline_exceeded",
        "Requests that took longer than they may, or would have been stopped.",
        ("enforced",),
    ),
    "statement": (
        "deadline_statements",
        "Statements refused, canceled or cut off because their time was up.",
        ("outcome",),
    ),
}


class Counters:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, *names: str) -> None:
        with self._lock:
            for name in names:
                self._counts[name] += 1

    def reset(self) -> None:
        with self._lock:
            self._counts.clear()

    def flush(self) -> None:
        """Add what was counted since the last time; nothing is lost if that fails."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        commands = [("HINCRBY", _hash(), name, n) for name, n in counts.items()]
        try:
            line.call_all(commands)
        except redis.RedisError:
            with self._lock:
                self._counts.update(counts)


def totals() -> dict[str, int]:
    """Return every process's counts; empty while Valkey is out."""
    counters.flush()
    try:
        flat = line.call("HGETALL", _hash())
    except redis.RedisError:
        return {}
    pairs = flat.items() if isinstance(flat, dict) else zip(*[iter(flat)] * 2)  # noqa: B905 -- pairs
    return {name.decode(): int(count) for name, count in pairs}


def _hash() -> str:
    return f"{settings.CACHES['default']['KEY_PREFIX']}:limits:counts"


class LimitCollector(Collector):
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
