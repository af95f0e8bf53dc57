import pytest
import redis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from core import metrics
from core.models import RateLimitPolicy, RouteWeight
from core.protection import counters, door, gauges, limiter, refusals, traffic
from core.protection.line import Line
from core.protection.sparing import SparingBuckets
from core.protection.token_bucket import LocalBuckets, SharedBuckets


@pytest.fixture
def limits(impatient_limits, monkeypatch):
    """The same, but a machine that is busy with other tests is no lost Valkey."""
    line = Line(patience_seconds=10)
    monkeypatch.setattr(counters, "line", line)
    monkeypatch.setattr(gauges, "line", line)
    monkeypatch.setattr(metrics, "line", line)
    monkeypatch.setattr(refusals, "line", line)
    monkeypatch.setattr(traffic, "line", line)
    monkeypatch.setattr(limiter, "shared", SparingBuckets(SharedBuckets(line.call)))
    return impatient_limits


@pytest.fixture
def impatient_limits(db, settings, monkeypatch):
    """Switch limits on, with no policy but those that the test makes."""
    settings.RATE_LIMIT_MODE = "enforce"
    settings.TRUSTED_PROXY_HOPS = 1
    RateLimitPolicy.objects.all().delete()
    RouteWeight.objects.all().delete()
    monkeypatch.setattr(limiter, "local", LocalBuckets())
    limiter.counters.reset()
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter(f"{prefix}:limit*"):
            client.delete(key)
    return make_policy


def make_policy(name="minute", *, quota=3, window_seconds=3600, **fields):
    return RateLimitPolicy.objects.create(
        name=name, quota=quota, window_seconds=window_seconds, **fields
    )


@pytest.fixture
def one_connection(monkeypatch):
    """Keep handler and door from closing the test's connection between calls."""
    monkeypatch.setattr(door, "close_old_connections", lambda: None)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
