"""Fifty threads refresh with one token at once, on connections of their own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, connections
from django.utils import timezone

from accounts.constants import Method
from accounts.exceptions import InvalidRefreshTokenError
from accounts.models import RefreshToken, Session
from accounts.services import _refresh_tokens, refresh_session, start_session
from accounts.tests.factories import PHONE, make_user

pytestmark = pytest.mark.django_db(transaction=True)
CALLERS = 50
# Threads at a time; each holds a connection of its own.
AT_ONCE = 25
UNIQUE_PARENT = """
SELECT conname FROM pg_constraint
WHERE conrelid = 'accounts_refreshtoken'::regclass
AND pg_get_constraintdef(oid) = 'UNIQUE (parent_id)'
"""
ALTER = "ALTER TABLE accounts_refreshtoken"


@pytest.fixture
def token():
    pair = start_session(
        user=make_user(), device=PHONE, methods=(Method.PASSWORD,), now=timezone.now()
    )
    return pair.refresh


def refresh_at_once(token):
    barrier = Barrier(AT_ONCE)

    def call(_):
        try:
            barrier.wait(30)
            return refresh_session(
                refresh=token, device=PHONE, now=timezone.now()
            ).refresh
        except InvalidRefreshTokenError:
            return "refused"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, range(CALLERS)))


def successors():
    return RefreshToken.objects.exclude(parent=None).count()


def test_fifty_refreshes_at_once_bring_one_successor(token):
    answers = refresh_at_once(token)

    assert len(set(answers)) == 1
    assert answers[0] not in {token, "refused"}
    assert successors() == 1
    assert Session.objects.get().ended_at is None


@pytest.fixture
def without_condition(monkeypatch):
    """Take out the condition of the claim, and the constraint that stands behind it."""
    real = RefreshToken.objects.filter

    def unconditional(*args, **lookups):
        if lookups.keys() == {"pk", "used_at"}:
            lookups.pop("used_at")
        return real(*args, **lookups)

    monkeypatch.setattr(_refresh_tokens.RefreshToken.objects, "filter", unconditional)
    with connection.cursor() as cursor:
        cursor.execute(UNIQUE_PARENT)
        [(name,)] = cursor.fetchall()
        cursor.execute(f'{ALTER} DROP CONSTRAINT "{name}"')
    yield
    monkeypatch.undo()
    RefreshToken.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(f'{ALTER} ADD CONSTRAINT "{name}" UNIQUE (parent_id)')


def test_without_the_condition_there_are_many(token, without_condition):
    answers = refresh_at_once(token)

    assert len(set(answers)) > 1
    assert successors() > 1
