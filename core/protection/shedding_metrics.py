"""What the gates of all processes do, for Prometheus and the page of traffic."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from core.protection import gauges
from core.protection.admission import Admission
from core.protection.concurrency import AdaptiveLimit, GradientLimit
from core.protection.counters import counters, totals
from core.protection.keeper import keeper
from core.protection.shedding import gate_in_use
from core.protection.tally import WAIT_BOUNDS, Tally

_WAIT, _WAIT_MICROSECONDS = "queue_wait", "queue_wait_microseconds"


def hand_in() -> None:
    """Move what this process's gate has counted to the counters that all share."""
    gate = gate_in_use()
    if gate is not None:
        counters.add_many(in_words(gate.take_tally()))


def in_words(tally: Tally) -> Counter[str]:
    words: Counter[str] = Counter()
    for (priority, reason), count in tally.shed.items():
        words[f"shed|{priority}|{reason}|true"] = count
    for (priority, reason), count in tally.would_shed.items():
        words[f"shed|{priority}|{reason}|false"] = count
    for index, count in tally.waits.items():
        words[f"{_WAIT}|{index}"] = count
    if tally.wait_seconds:
        words[_WAIT_MICROSECONDS] = round(tally.wait_seconds * 1e6)
    return words


class QueueWaitCollector(Collector):
    """How long those waited who were let in after a wait."""

    def collect(self) -> Iterator[HistogramMetricFamily]:
        found = totals()
        below = 0
        buckets = []
        for index, bound in enumerate(WAIT_BOUNDS):
            below += found.get(f"{_WAIT}|{index}", 0)
            buckets.append((str(bound), float(below)))
        buckets.append(("+Inf", float(below + found.get(f"{_WAIT}|-1", 0))))
        yield HistogramMetricFamily(
            "shopwright_load_shedding_queue_wait_seconds",
            "How long requests waited for a place that they were given.",
            buckets=buckets,
            sum_value=found.get(_WAIT_MICROSECONDS, 0) / 1e6,
        )

    def describe(self) -> Iterator[HistogramMetricFamily]:
        # Else registering would ask Valkey.
        return iter(())


def _gauge(
    name: str,
    text: str,
    read: Callable[[Admission], float | None],
    *,
    is_most: bool = False,
) -> None:
    def values() -> gauges.Values:
        gate = gate_in_use()
        value = None if gate is None else read(gate.admission)
        return {} if value is None else {"": value}

    gauges.register(
        gauges.Gauge(f"load_shedding_{name}", text, values, is_most=is_most)
    )


def _latency(of: Callable[[GradientLimit], float]) -> Callable[[Admission], Any]:
    def read(admission: Admission) -> float | None:
        limiter = admission.limiter
        return of(limiter.gradient) if isinstance(limiter, AdaptiveLimit) else None

    return read


_gauge(
    "limit", "Requests that may be worked on at once.", lambda door: door.limiter.limit
)
_gauge("inflight", "Requests that are being worked on.", lambda door: door.inflight)
_gauge("queue_depth", "Requests that wait for a place.", lambda door: door.queued)
_gauge(
    "strictness",
    "How much of the scale of importance is refused: 0 nothing, 80 all but payments.",
    lambda door: 100 - door.threshold.value,
    is_most=True,
)
_gauge(
    "load",
    "How full the fullest process is, from 0 to 1.",
    lambda door: door.threshold.load,
    is_most=True,
)
_gauge(
    "min_latency_seconds",
    "What the requests of the last moment would take in a calm house.",
    _latency(lambda gradient: gradient.mean_expected),
    is_most=True,
)
_gauge(
    "sample_latency_seconds",
    "What the requests of the last moment took.",
    _latency(lambda gradient: gradient.mean_taken),
    is_most=True,
)
keeper.add(hand_in)
