"""How many rows break each invariant: left by the periodic check, shown by /metrics."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from django_redis import get_redis_connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import RedisError

_KEY = "shopwright:invariants"
_CHECKED_AT = "checked_at"


def record_check(violations: Mapping[str, int], *, now: datetime) -> None:
    """Replace what the check before found."""
    pipeline = get_redis_connection("default").pipeline(transaction=True)
    pipeline.delete(_KEY)
    pipeline.hset(_KEY, mapping={**violations, _CHECKED_AT: int(now.timestamp())})
    pipeline.execute()


class InvariantCollector(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            stored = get_redis_connection("default").hgetall(_KEY)
        except RedisError:
            # No figures are better than none of the others.
            return
        counts = {name.decode(): int(value) for name, value in stored.items()}
        checked_at = counts.pop(_CHECKED_AT, None)
        if checked_at is None:
            return
        broken = GaugeMetricFamily(
            "shopwright_invariant_violations",
            "Rows that break the invariant.",
            labels=["invariant"],
        )
        for invariant, count in sorted(counts.items()):
            broken.add_metric([invariant], count)
        yield broken
        yield GaugeMetricFamily(
            "shopwright_invariants_checked_timestamp_seconds",
            "When the invariants were checked, as a unix time.",
            checked_at,
        )

    def describe(self) -> Iterator[GaugeMetricFamily]:
        # Else registering would ask Valkey.
        return iter(())
