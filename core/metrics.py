"""Numbers for Prometheus, read where all processes leave them: one truth for all."""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core import outbox
from core.audit_watch import AuditCollector
from core.exceptions import NotAuthenticatedError
from core.invariants import InvariantCollector
from core.models import AddressBlock
from core.protection.counters import CountCollector
from core.protection.gauges import GaugeCollector
from core.protection.line import line
from core.protection.shedding_metrics import QueueWaitCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class OutboxCollector(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        lag = outbox.lag(now=timezone.now())
        rows = (
            (
                "oldest_undelivered_seconds",
                "Age of the oldest event",
                lag.oldest_seconds,
            ),
            ("undispatched_events", "Events the relay hasn't seen", lag.undispatched),
            ("pending_deliveries", "Deliveries not made yet", lag.pending),
            ("dead_deliveries", "Deliveries given up", lag.dead),
        )
        for name, text, value in rows:
            yield GaugeMetricFamily(f"shopwright_outbox_{name}", f"{text}.", value)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        # Else registering would ask the database.
        return iter(())


class BlockCollector(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        blocks = AddressBlock.objects.in_force(now=timezone.now()).count()
        yield GaugeMetricFamily(
            "shopwright_rate_limit_active_blocks", "Networks shut out.", blocks
        )
        # Of the process that is asked: what others see, Valkey would have to tell.
        yield GaugeMetricFamily(
            "shopwright_valkey_out", "1 while Valkey doesn't answer.", line.is_out
        )

    def describe(self) -> Iterator[GaugeMetricFamily]:
        # Else registering would ask the database.
        return iter(())


registry = CollectorRegistry()
registry.register(OutboxCollector())
registry.register(CountCollector())
registry.register(GaugeCollector())
registry.register(QueueWaitCollector())
registry.register(BlockCollector())
registry.register(InvariantCollector())
registry.register(AuditCollector())


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape to who bears ``METRICS_TOKEN``, or to anyone under local settings.

    In production without a token, nobody is answered.
    """
    is_open = not settings.METRICS_TOKEN and settings.DEV_TOOLS
    if not (is_open or bears_token(request)):
        raise NotAuthenticatedError
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE)


def bears_token(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    offered = request.headers.get("Authorization", "").encode()
    return bool(token) and hmac.compare_digest(offered, f"Bearer {token}".encode())
