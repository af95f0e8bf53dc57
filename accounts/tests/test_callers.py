"""Who is calling is remembered for five seconds, and never longer."""

import time
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth import _callers
from accounts.constants import EndReason
from accounts.models import Session, User
from accounts.services import assign_roles, end_session
from accounts.tests.factories import make_tokens, make_user

pytestmark = pytest.mark.django_db
ME = "/api/v1/auth/me"
STOCK = "/api/v1/stock/movements"


@pytest.fixture(autouse=True)
def memory(settings, monkeypatch):
    settings.SESSION_CACHE_SECONDS = 5
    known = {}
    monkeypatch.setattr(_callers, "_callers", known)
    monkeypatch.setattr(_callers, "monotonic", time.time)
    return known


@pytest.fixture
def clock():
    with time_machine.travel(timezone.now(), tick=False) as moment:
        yield moment


@pytest.fixture
def user():
    return make_user(roles=("customer", "warehouse"))


@pytest.fixture
def ask(user, clock):
    """Ask with one session of the user's."""
    client = APIClient()
    access = make_tokens(user).access
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    return lambda path=ME: client.get(path).status_code


def count_queries(django_assert_max_num_queries, call):
    with django_assert_max_num_queries(100) as seen:
        assert call() == 200
    return len(seen.captured_queries)


def test_within_five_seconds_a_caller_costs_no_query(
    ask, clock, django_assert_max_num_queries
):
    first = count_queries(django_assert_max_num_queries, ask)
    clock.shift(4.9)
    second = count_queries(django_assert_max_num_queries, ask)
    clock.shift(0.2)
    third = count_queries(django_assert_max_num_queries, ask)

    # What is left is what the answer shows.
    assert (first, third) == (second + 1, second + 1)


def test_permissions_are_read_once_in_five_seconds(
    ask, clock, django_assert_max_num_queries
):
    counts = []
    for _ in range(3):
        counts.append(count_queries(django_assert_max_num_queries, lambda: ask(STOCK)))
        clock.shift(3)

    # The caller, and one statement each for his own and his roles' permissions.
    assert counts == [counts[1] + 3, counts[1], counts[1] + 3]


CHANGES = {
    "the session ends": lambda user: Session.objects.update(
        ended_at=timezone.now(), end_reason="signed_out"
    ),
    "the account is closed": lambda user: User.objects.update(is_active=False),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_another_node_did_holds_after_five_seconds(ask, user, clock, change):
    assert ask() == 200

    change(user)

    clock.shift(4.9)
    assert ask() == 200
    clock.shift(0.1)
    assert ask() == 401


@pytest.mark.parametrize(
    "change",
    [
        lambda user: user.groups.clear(),
        lambda user: Group.objects.get(name="warehouse").permissions.clear(),
    ],
    ids=["role", "permissions of the role"],
)
def test_a_role_that_another_node_took_is_gone_after_five_seconds(
    ask, user, clock, change
):
    assert ask(STOCK) == 200

    change(user)

    clock.shift(5)
    assert ask(STOCK) == 403


def commit(call):
    """Run what waits for the commit, which the test's own transaction never makes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction, "on_commit", lambda callback, **_: callback())
        call()


def test_on_this_node_an_ended_session_is_refused_at_once(ask, user):
    assert ask() == 200
    session = Session.objects.get()

    commit(
        lambda: end_session(
            session.pk, user_id=user.pk, reason=EndReason.SIGNED_OUT, now=timezone.now()
        )
    )

    assert ask() == 401


def test_on_this_node_a_role_is_taken_at_once(ask, user):
    assert ask(STOCK) == 200

    commit(lambda: assign_roles(user_id=user.pk, roles=["customer"]))

    assert ask(STOCK) == 403


def test_a_session_that_expires_meanwhile_is_refused(ask, clock):
    Session.objects.update(expires_at=timezone.now() + timedelta(seconds=2))
    assert ask() == 200

    clock.shift(2)

    assert ask() == 401


def test_last_seen_is_written_once_a_minute(ask, clock):
    started = Session.objects.get().last_seen_at
    seen = []
    for _ in range(13):
        clock.shift(10)
        assert ask() == 200
        seen.append(Session.objects.get().last_seen_at)

    assert sorted({(at - started).total_seconds() for at in seen}) == [0, 60, 120]


def test_what_a_request_does_to_its_user_stays_with_it(user):
    pair = make_tokens(user)
    now = timezone.now()
    first = _callers.user_of_session(pair.session_id, now=now)

    first.email = "changed@example.com"

    second = _callers.user_of_session(pair.session_id, now=now)
    assert second.email == user.email


def test_the_memory_is_bounded(monkeypatch, memory, user):
    monkeypatch.setattr(_callers, "_MOST", 2)
    now = timezone.now()

    for _ in range(4):
        assert _callers.user_of_session(make_tokens(user).session_id, now=now)

    assert len(memory) == 2
