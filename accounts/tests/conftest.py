from importlib import import_module

import pytest
import redis
from django.apps import apps
from django.contrib.auth.models import Group

from accounts.auth import forget_providers
from accounts.constants import Role
from accounts.tests.factories import seed_roles
from accounts.tests.issuers import CALLBACK, described, fake_issuer
from core.models import RateLimitPolicy, RouteWeight
from core.protection import counters, limiter, refusals
from core.protection.line import Line
from core.protection.sparing import SparingBuckets
from core.protection.token_bucket import LocalBuckets, SharedBuckets

SEEDS = (
    "0004_seed_rate_limits",
    "0006_seed_limits_of_guessing",
    "0011_seed_limits_of_account_forms",
    "0013_one_set_of_sign_in_limits",
    "0014_seed_limit_of_leaving",
)


@pytest.fixture
def seeded_limits(db, settings, monkeypatch):
    """Switch limits on as the migrations seed them, behind one proxy, and none used up."""
    settings.RATE_LIMIT_MODE = "enforce"
    settings.TRUSTED_PROXY_HOPS = 1
    settings.BLOCK_AFTER_REFUSALS = 0
    # A machine that is busy with other tests is no lost Valkey.
    line = Line(patience_seconds=10)
    monkeypatch.setattr(counters, "line", line)
    monkeypatch.setattr(refusals, "line", line)
    monkeypatch.setattr(limiter, "shared", SparingBuckets(SharedBuckets(line.call)))
    monkeypatch.setattr(limiter, "local", LocalBuckets())
    # A test with real commits before this one may have emptied the table.
    RateLimitPolicy.objects.all().delete()
    RouteWeight.objects.all().delete()
    for name in SEEDS:
        import_module(f"core.migrations.{name}").seed(apps, None)
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter(f"{prefix}:limit*"):
            client.delete(key)


@pytest.fixture
def roles(db):
    """New accounts get one; a test with real commits may have emptied the table."""
    if Group.objects.count() < len(Role):
        seed_roles()


@pytest.fixture
def issuer(settings, roles):
    with fake_issuer() as running:
        settings.OAUTH_PROVIDERS = [described("fake", running.url)]
        settings.OAUTH_REDIRECT_URIS = [CALLBACK]
        forget_providers()
        yield running
    forget_providers()
