from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
import redis
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth import key_ring
from accounts.models import User
from accounts.tests.browsers import SignedInClient
from accounts.tests.factories import make_tokens
from core.bytes_store import raise_generation
from core.protection import breaker as protection_breaker
from core.protection.line import Line

SEED_ROLES = "accounts.migrations.0002_seed_roles"
TRUNCATE_TRIGGERS = r"""
SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname)
FROM pg_trigger WHERE tgname LIKE '%\_no\_truncate'
"""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let the tests empty append-only tables, which they do by TRUNCATE."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(TRUNCATE_TRIGGERS)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
        # Tests look at what they have caused, not at what migrations wrote down.
        cursor.execute("TRUNCATE core_auditentry")


@pytest.fixture(autouse=True)
def own_signing_keys() -> None:
    """Forget the keys of the test before, which went with its database."""
    key_ring.forget()


@pytest.fixture
def client() -> Client:
    return SignedInClient()


@pytest.fixture
def api() -> APIClient:
    """Nobody: no sign-in, no database of its own."""
    return APIClient()


@pytest.fixture
def api_as() -> Callable[[User], APIClient]:
    """Sign in with a real session, so that tests pass through real authentication."""

    def sign_in(user: User) -> APIClient:
        client = APIClient()
        access = make_tokens(user).access
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
        return client

    return sign_in


@pytest.fixture
def customer(db: None) -> User:
    return User.objects.create_user(
        "alice@example.com", "alice's password", email_verified_at=timezone.now()
    )


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user(
        "charlie@example.com", "charlie's password", email_verified_at=timezone.now()
    )


@pytest.fixture
def staff(db: None) -> Callable[..., User]:
    """Make a member of staff: ``staff("warehouse")``."""

    def make(role: str, **fields: Any) -> User:
        email = fields.pop("email", f"{role}@shop.example.com")
        user = User.objects.create_user(
            email,
            f"{role}'s password",
            is_staff=True,
            email_verified_at=timezone.now(),
            **fields,
        )
        if not Group.objects.exists():
            # A transactional test before this one has emptied the tables.
            import_module(SEED_ROLES).seed_roles(apps, None)
        user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def bytes_cache(settings: Any) -> None:
    """Turn on the cache of public answers, which tests that roll back go without."""
    settings.BYTES_CACHE = True
    raise_generation("catalog")


@pytest.fixture
def breakers_on(settings: Any, monkeypatch: Any) -> Iterator[None]:
    """Turn on the circuit breakers, which other tests go without, with none open."""
    settings.BREAKER_MODE = "enforce"
    # A machine that is busy with other tests is no lost Valkey.
    monkeypatch.setattr(protection_breaker, "line", Line(patience_seconds=10))
    protection_breaker.breakers.clear()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield
        protection_breaker.breakers.clear()
        prefix = settings.CACHES["default"]["KEY_PREFIX"]
        for key in client.scan_iter(f"{prefix}:breaker:*"):
            client.delete(key)
