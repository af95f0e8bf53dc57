from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.auth import Device, hash_secret, open_under, seal_under
from accounts.constants import EndReason, Method
from accounts.exceptions import InvalidRefreshTokenError
from accounts.models import ActivityEntry, RefreshToken, Session, User
from accounts.services import (
    end_session,
    end_sessions,
    refresh_session,
    start_session,
)
from accounts.tests.factories import PHONE, make_user
from core.models import OutboxEvent

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LAPTOP = Device(name="Laptop", address="203.0.113.8", user_agent="Chrome/200")


def start(user, *, device=PHONE, now=NOW):
    return start_session(user=user, device=device, methods=(Method.PASSWORD,), now=now)


def refresh(token, *, device=PHONE, now=NOW):
    return refresh_session(refresh=token, device=device, now=now)


def end_reason(pair):
    return Session.objects.get(pk=pair.session_id).end_reason


def events(name):
    found = OutboxEvent.objects.filter(name=f"accounts.{name}").order_by("sequence")
    return [event.payload for event in found]


def test_start_session_keeps_what_its_owner_wants_to_see():
    user = make_user()

    pair = start(user)

    session = Session.objects.get()
    assert session.pk == pair.session_id
    assert session.methods == ["password"]
    assert session.authenticated_at == session.last_seen_at == NOW
    assert session.expires_at == NOW + timedelta(days=30)
    seen = (session.device_name, session.address, session.user_agent)
    assert seen == ("Phone", "203.0.113.7", "Firefox/140")
    assert session.device_id == pair.device_id


def test_no_secret_is_anywhere_in_the_database():
    first = start(make_user())
    second = refresh(first.refresh)

    with connection.cursor() as cursor:
        cursor.execute("SELECT array_agg(t::text) FROM accounts_refreshtoken t")
        rows = str(cursor.fetchone())
    for secret in (first.refresh, second.refresh):
        assert secret not in rows
        assert secret.encode().hex() not in rows
        assert hash_secret(secret).hex() in rows


def test_a_refresh_brings_a_pair_of_the_same_session():
    first = start(make_user())
    later = NOW + timedelta(days=1)

    second = refresh(first.refresh, device=LAPTOP, now=later)

    assert second.session_id == first.session_id
    assert second.refresh != first.refresh
    session = Session.objects.get()
    assert (session.last_seen_at, session.address) == (later, LAPTOP.address)
    # Still the one that signed in.
    assert (session.device_name, session.authenticated_at) == ("Phone", NOW)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 4000, "\u00fc", "\ud800"])
def test_a_refresh_refuses_what_is_no_token(token):
    with pytest.raises(InvalidRefreshTokenError):
        refresh(token)


def test_a_refresh_refuses_an_access_token():
    with pytest.raises(InvalidRefreshTokenError):
        refresh(start(make_user()).access)


def test_a_refresh_refuses_a_deactivated_user():
    user = make_user()
    pair = start(user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    with pytest.raises(InvalidRefreshTokenError):
        refresh(pair.refresh)


def test_a_session_that_is_idle_for_seven_days_is_over():
    pair = start(make_user())

    with pytest.raises(InvalidRefreshTokenError):
        refresh(pair.refresh, now=NOW + timedelta(days=7))
    assert refresh(pair.refresh, now=NOW + timedelta(days=7, seconds=-1))


def test_a_session_is_over_after_thirty_days_however_often_it_is_refreshed():
    token = start(make_user()).refresh
    for day in range(5, 30, 5):
        token = refresh(token, now=NOW + timedelta(days=day)).refresh

    last = RefreshToken.objects.get(token_hash=hash_secret(token))
    assert last.expires_at == NOW + timedelta(days=30)
    with pytest.raises(InvalidRefreshTokenError):
        refresh(token, now=NOW + timedelta(days=30))


@pytest.mark.parametrize("seconds", [0, 5, 10])
def test_the_parent_brings_the_same_successor_for_ten_seconds(seconds):
    first = start(make_user())
    second = refresh(first.refresh)

    again = refresh(first.refresh, now=NOW + timedelta(seconds=seconds))

    assert again.refresh == second.refresh
    assert RefreshToken.objects.count() == 2
    assert end_reason(first) == ""


def assert_ended_for_reuse(pair, newest):
    assert end_reason(pair) == EndReason.REFRESH_REUSED
    [event] = events("refresh_reuse_detected")
    assert event["session_id"] == str(pair.session_id)
    assert ActivityEntry.objects.filter(kind="refresh_reuse_detected").count() == 1
    # Also for who has the newest one: nobody knows which of the two is the thief.
    with pytest.raises(InvalidRefreshTokenError):
        refresh(newest)


def test_the_parent_ends_the_session_after_ten_seconds():
    first = start(make_user())
    second = refresh(first.refresh)

    with pytest.raises(InvalidRefreshTokenError):
        refresh(first.refresh, now=NOW + timedelta(seconds=10, microseconds=1))

    assert_ended_for_reuse(first, second.refresh)


def test_an_older_token_ends_the_session_at_once():
    first = start(make_user())
    third = refresh(refresh(first.refresh).refresh)

    with pytest.raises(InvalidRefreshTokenError):
        refresh(first.refresh)

    assert_ended_for_reuse(first, third.refresh)


def test_a_reused_token_tells_once_and_leaves_other_sessions():
    user = make_user()
    first, other = start(user), start(user, device=LAPTOP)
    refresh(refresh(first.refresh).refresh)

    for _ in range(3):
        with pytest.raises(InvalidRefreshTokenError):
            refresh(first.refresh)

    assert len(events("refresh_reuse_detected")) == 1
    assert refresh(other.refresh)


def test_a_parent_keeps_its_seal_only_until_the_next_exchange():
    first = start(make_user())
    second = refresh(first.refresh)
    parent = RefreshToken.objects.get(parent=None)
    assert open_under(first.refresh, bytes(parent.sealed_successor)) == second.refresh

    refresh(second.refresh)

    parent.refresh_from_db()
    assert bytes(parent.sealed_successor) == b""


def test_a_seal_opens_under_its_own_secret_only():
    sealed = seal_under("one", "text")

    assert open_under("one", sealed) == "text"
    assert open_under("two", sealed) is None
    assert open_under("one", b"") is None
    assert open_under("one", sealed[:-1] + b"x") is None


def test_the_database_refuses_a_second_successor():
    pair = start(make_user())
    refresh(pair.refresh)
    parent = RefreshToken.objects.get(parent=None)

    with pytest.raises(IntegrityError), transaction.atomic():
        RefreshToken.objects.create(
            session=parent.session,
            parent=parent,
            token_hash=b"x" * 32,
            issued_at=NOW,
            expires_at=NOW,
        )


@pytest.mark.parametrize(
    ("ended_at", "reason"), [(None, "signed_out"), (NOW, "")], ids=["open", "ended"]
)
def test_the_database_refuses_an_end_without_a_reason(ended_at, reason):
    start(make_user())

    with pytest.raises(IntegrityError), transaction.atomic():
        Session.objects.update(ended_at=ended_at, end_reason=reason)


def test_end_session_ends_it_once():
    user = make_user()
    pair, other = start(user), start(user, device=LAPTOP)

    ended = [
        end_session(
            pair.session_id, user_id=user.pk, reason=EndReason.SIGNED_OUT, now=NOW
        )
        for _ in range(2)
    ]

    assert ended == [True, False]
    with pytest.raises(InvalidRefreshTokenError):
        refresh(pair.refresh)
    assert refresh(other.refresh)
    assert ActivityEntry.objects.filter(kind="signed_out").count() == 1


def test_nobody_ends_a_strangers_session():
    pair = start(make_user())
    stranger = make_user()

    ended = end_session(
        pair.session_id, user_id=stranger.pk, reason=EndReason.SIGNED_OUT, now=NOW
    )

    assert (ended, end_reason(pair)) == (False, "")


def test_end_sessions_keeps_one():
    user = make_user()
    kept, first, second = start(user), start(user), start(user)
    strangers = start(make_user())

    count = end_sessions(
        user_id=user.pk,
        keep=kept.session_id,
        reason=EndReason.PASSWORD_CHANGED,
        now=NOW,
    )

    assert count == 2
    reasons = [end_reason(pair) for pair in (kept, first, second, strangers)]
    assert reasons == ["", "password_changed", "password_changed", ""]


def test_the_first_device_is_no_news_and_a_known_one_neither():
    user = make_user()
    first = start(user)

    start(user, device=PHONE)
    start(user, device=Device(address="198.51.100.1", id=first.device_id))

    assert events("new_device_login") == []


def test_another_device_is_news():
    user = make_user()
    start(user)
    strangers_device = start(make_user(), device=LAPTOP).device_id

    by_looks = start(user, device=LAPTOP)
    by_id = start(user, device=Device(id=uuid4()))
    by_strangers_id = start(user, device=Device(name="?", id=strangers_device))

    told = [event["session_id"] for event in events("new_device_login")]
    # The last one comes from where the one before came from, by the same name.
    assert told == [str(by_looks.session_id), str(by_id.session_id)]
    assert by_strangers_id.device_id == strangers_device


def test_after_a_long_absence_any_device_is_news():
    user = make_user(last_login=NOW - timedelta(days=200))

    told_of = start(user)

    (event,) = events("new_device_login")
    assert event["session_id"] == str(told_of.session_id)
