"""What is going on in each process right now, shown to all of them through Valkey.

    register(Gauge("limit", "Requests that may run at once.", lambda: {"": gate.limit}))

Each process writes its values down every few seconds; what is older than a quarter of a
minute belongs to a process that is gone. While Valkey is out a process knows its own only.
"""

import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import redis
from django.conf import settings
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.protection.keeper import keeper
from core.protection.line import line

STALE_SECONDS = 15.0
# Label values joined by "|" → the value; the key of a gauge without labels is "".
Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One number, or one for each of its labels. Processes' numbers are summed.

    ``is_most`` takes their maximum instead, for what doesn't add up, such as a wait.
    """

    name: str
    text: str
    read: Callable[[], Values]
    labels: tuple[str, ...] = ()
    is_most: bool = False


_registered: dict[str, Gauge] = {}


def register(gauge: Gauge) -> None:
    _registered[gauge.name] = gauge


def own_values() -> dict[str, dict[str, float]]:
    return {name: dict(gauge.read()) for name, gauge in _registered.items()}


def publish() -> None:
    """Write this process's values down; given up silently while Valkey is out."""
    written = orjson.dumps([time.time(), own_values()])
    try:
        line.call("HSET", _key(), _process(), written)
    except redis.RedisError:
        return


def of_processes() -> dict[str, dict[str, dict[str, float]]]:
    """Return the values of every living process by its name, this one's always."""
    found = {_process(): own_values()}
    try:
        flat = line.call("HGETALL", _key())
    except redis.RedisError:
        return found
    pairs = list(flat.items() if isinstance(flat, dict) else zip(*[iter(flat)] * 2))  # noqa: B905 -- pairs
    stale = []
    for process, written in pairs:
        at, values = orjson.loads(written)
        if time.time() - at > STALE_SECONDS:
            stale.append(process)
        else:
            found.setdefault(process.decode(), values)
    if stale:
        _forget(stale)
    return found


def combined(
    processes: Mapping[str, dict[str, dict[str, float]]] | None = None,
) -> dict[str, dict[str, float]]:
    """Return each gauge over all processes, or over those given."""
    summed: dict[str, dict[str, float]] = defaultdict(dict)
    for values in (of_processes() if processes is None else processes).values():
        for name, of_labels in values.items():
            gauge = _registered.get(name)
            known = summed[name]
            for labels, value in of_labels.items():
                before = known.get(labels, 0.0)
                is_most = gauge is not None and gauge.is_most
                known[labels] = max(before, value) if is_most else before + value
    return summed


def _forget(processes: list[Any]) -> None:
    try:
        line.call("HDEL", _key(), *processes)
    except redis.RedisError:
        return


def _process() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _key() -> str:
    return f"{settings.CACHES['default']['KEY_PREFIX']}:limits:gauges"


class GaugeCollector(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = combined()
        for gauge in _registered.values():
            metric = GaugeMetricFamily(
                f"shopwright_{gauge.name}", gauge.text, labels=gauge.labels
            )
            for labels, value in found.get(gauge.name, {}).items():
                metric.add_metric(labels.split("|") if gauge.labels else [], value)
            yield metric

    def describe(self) -> Iterator[GaugeMetricFamily]:
        # Else registering would ask Valkey.
        return iter(())


keeper.add(publish)
