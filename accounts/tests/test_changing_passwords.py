import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import time_machine
from django.contrib.auth.hashers import make_password
from django.db import connections
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth import _passwords
from accounts.exceptions import InvalidTokenError
from accounts.models import AccountToken, ActivityEntry, Session, User
from accounts.services import _links, reset_password, start_password_reset
from accounts.tests.factories import (
    PASSWORD,
    PHONE,
    make_link,
    make_tokens,
    make_user,
)
from core.exceptions import ServiceUnavailableError
from core.models import OutboxEvent

pytestmark = pytest.mark.django_db
NEW = "quite another one, long"
SHORT = "eight ok"


def post(path, client=None, **body):
    return (client or APIClient()).post(f"/api/v1/auth/{path}", body, format="json")


def reset(secret, password=NEW):
    return post("reset-password", token=secret, password=password)


def client_of(pair):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
    return client


def is_open(pair):
    return client_of(pair).get("/api/v1/auth/me").status_code == 200


def assert_invalid(response, pointer, code):
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)


def told():
    found = OutboxEvent.objects.filter(name="accounts.password_changed")
    return [event.payload["reason"] for event in found]


def test_a_reset_sets_the_password_and_ends_every_session():
    user = make_user()
    sessions = [make_tokens(user), make_tokens(user)]

    response = reset(make_link(user, "reset_password"))

    assert (response.status_code, response.content) == (204, b"")
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert [is_open(one) for one in sessions] == [False, False]
    assert {s.end_reason for s in Session.objects.all()} == {"password_reset"}
    assert told() == ["password_reset"]
    assert ActivityEntry.objects.filter(kind="password_reset").count() == 1


def test_a_reset_link_serves_once_and_for_an_hour():
    user = make_user()
    used, late = make_link(user, "reset_password"), None
    assert reset(used).status_code == 204
    assert reset(used).status_code == 400

    late = make_link(user, "reset_password")
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        assert reset(late).status_code == 400


def test_a_newer_reset_link_ends_the_older():
    user = make_user()
    older, newer = make_link(user, "reset_password"), make_link(user, "reset_password")

    assert reset(older).status_code == 400
    assert reset(newer).status_code == 204


def test_a_weak_password_leaves_the_link():
    user = make_user()
    secret = make_link(user, "reset_password")

    assert_invalid(reset(secret, "password"), "#/password", "password_too_common")
    assert reset(secret).status_code == 204


def test_a_reset_proves_the_address():
    user = make_user(email_verified_at=None)

    reset(make_link(user, "reset_password"))

    user.refresh_from_db()
    assert user.email_verified


def test_a_reset_of_a_closed_account_is_refused():
    user = make_user()
    secret = make_link(user, "reset_password")
    User.objects.update(is_active=False)

    assert reset(secret).status_code == 400


def test_staff_start_a_reset_that_only_the_owner_can_finish():
    user = make_user()

    start_password_reset(user_id=user.pk, now=timezone.now())

    token = AccountToken.objects.get()
    assert (token.purpose, token.token_hash) == ("reset_password", None)
    assert user.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("password", "status"), [(SHORT, 422), ("fifteen letters", 204)]
)
def test_staff_choose_longer_ones(password, status):
    user = make_user(roles=("support",))

    assert reset(make_link(user, "reset_password"), password).status_code == status


def test_staff_with_a_second_factor_choose_as_customers_do(monkeypatch):
    user = make_user(roles=("support",))
    monkeypatch.setattr(
        "accounts.services._passwords.second_steps", lambda user: ("totp",)
    )

    assert reset(make_link(user, "reset_password"), SHORT).status_code == 204


def test_a_change_keeps_the_session_that_made_it():
    user = make_user()
    own, other = make_tokens(user), make_tokens(user)

    response = post(
        "change-password",
        client_of(own),
        current_password=PASSWORD,
        new_password=NEW,
    )

    assert response.status_code == 204
    assert (is_open(own), is_open(other)) == (True, False)
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert told() == ["password_changed"]


@pytest.mark.parametrize("path", ["change-password", "change-email"])
def test_the_present_password_is_asked_for(path):
    client = client_of(make_tokens(make_user()))
    new = {
        "change-password": {"new_password": NEW},
        "change-email": {"email": "a@b.cc"},
    }

    for wrong in ("", "wrong"):
        response = post(path, client, current_password=wrong, **new[path])
        assert_invalid(response, "#/current_password", "wrong_password")
    assert not AccountToken.objects.exists()


def test_a_stale_session_has_to_prove_itself_first(settings):
    user = make_user()
    pair = make_tokens(user)
    Session.objects.update(
        authenticated_at=timezone.now() - timedelta(seconds=settings.STEP_UP_SECONDS)
    )

    response = post(
        "change-password",
        client_of(pair),
        current_password=PASSWORD,
        new_password=NEW,
    )

    assert (response.status_code, response.json()["code"]) == (403, "step_up_required")


def test_an_address_that_is_taken_meanwhile_is_not_taken_twice():
    secret = make_link(make_user(), "change_email", email="new@example.com")
    make_user(email="new@example.com")

    response = post("confirm-email", token=secret)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_token")


def test_a_confirmed_address_ends_sessions_and_mailed_links():
    user = make_user()
    pair = make_tokens(user)
    reset_link = make_link(user, "reset_password")

    post("confirm-email", token=make_link(user, "change_email", email="n@example.com"))

    assert not is_open(pair)
    assert reset(reset_link).status_code == 400


def test_argon2_is_used_within_bounds_and_renewed_at_a_sign_in(settings):
    settings.PASSWORD_HASHERS = ["accounts.tests.hashing.CheapArgon2Hasher"]
    user = make_user(email="anna@example.com")
    assert "$m=64,t=1,p=1$" in user.password
    settings.PASSWORD_HASHERS = ["accounts.auth.Argon2Hasher"]

    post("login", email="anna@example.com", password=PASSWORD)

    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_no_more_than_allowed_are_hashed_at_a_time(settings, monkeypatch):
    settings.PASSWORD_HASHERS = ["accounts.tests.hashing.CheapArgon2Hasher"]
    settings.PASSWORD_HASHES_AT_ONCE = 2
    settings.PASSWORD_HASH_PATIENCE_SECONDS = 0.01
    bulkhead = _passwords.Bulkhead()
    monkeypatch.setattr(_passwords, "_bulkhead", bulkhead)

    with bulkhead, bulkhead:
        with pytest.raises(ServiceUnavailableError) as error:
            make_password(PASSWORD)
        response = post("login", email="a@example.com", password=PASSWORD)
    assert error.value.retry_after == 1
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert make_password(PASSWORD)


CALLERS = 12


def reset_at_once(secret):
    barrier = Barrier(CALLERS)

    def call(number):
        try:
            barrier.wait(30)
            reset_password(
                token=secret,
                password=f"{NEW} {number}",
                device=PHONE,
                now=timezone.now(),
            )
        except InvalidTokenError:
            return "refused"
        finally:
            connections.close_all()
        return "done"

    with ThreadPoolExecutor(CALLERS) as pool:
        return sorted(pool.map(call, range(CALLERS)))


@pytest.mark.django_db(transaction=True)
def test_of_many_resets_with_one_link_one_gets_through():
    secret = make_link(make_user(), "reset_password")

    assert reset_at_once(secret) == ["done"] + ["refused"] * (CALLERS - 1)


@pytest.mark.django_db(transaction=True)
def test_without_the_condition_several_get_through(monkeypatch):
    """Look before leaping, as the control: all have looked before one leaps."""
    secret = make_link(make_user(), "reset_password")
    looked = threading.Barrier(CALLERS)

    def look(token, *, now):
        if AccountToken.objects.get(pk=token.pk).used_at is not None:
            raise InvalidTokenError
        looked.wait(30)
        AccountToken.objects.filter(pk=token.pk).update(used_at=now)

    monkeypatch.setattr(_links, "use_link", look)
    monkeypatch.setattr("accounts.services._changing_passwords.use_link", look)

    assert reset_at_once(secret).count("done") > 1
