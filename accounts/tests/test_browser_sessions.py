"""A browser in the administration is a session like others: listed, told of, ended."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.constants import ADMIN_IDLE, ADMIN_SESSION_LIFETIME
from accounts.models import Session
from accounts.services import (
    change_password,
    end_persons_sessions,
    sign_out_elsewhere,
)
from accounts.tests.factories import PASSWORD, PHONE, make_user
from core.models import OutboxEvent

EMAIL = "boss@example.com"
SESSIONS = "/api/v1/auth/sessions"

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return make_user(email=EMAIL, roles=("admin",))


@pytest.fixture
def browser(boss):
    return sign_in()


def sign_in(agent="Firefox/150"):
    client = Client(headers={"User-Agent": agent})
    body = {"username": EMAIL, "password": PASSWORD}
    assert client.post("/admin/login/", body).status_code == 302
    return client


def is_in(client):
    return client.get("/admin/").status_code == 200


def test_the_owner_finds_it_in_his_list_and_ends_it(api_as, boss, browser):
    phone = api_as(boss)
    assert is_in(browser)

    listed = phone.get(SESSIONS).json()["results"]
    (shown,) = [one for one in listed if not one["current"]]
    ended = phone.delete(f"{SESSIONS}/{shown['id']}")

    assert (shown["name"], shown["user_agent"]) == ("Administration", "Firefox/150")
    assert shown["methods"] == ["password"]
    assert ended.status_code == 204
    assert not is_in(browser)


def test_a_browser_that_is_new_is_told_of(boss, browser):
    sign_in("Firefox/150")
    assert not OutboxEvent.objects.filter(name="accounts.new_device_login").exists()

    sign_in("Chrome/200")

    event = OutboxEvent.objects.get(name="accounts.new_device_login")
    assert event.payload["user_id"] == str(boss.pk)


def test_whatever_ends_sessions_ends_it(boss):
    now = timezone.now()
    ways = [
        lambda: sign_out_elsewhere(user_id=boss.pk, keep=None, device=PHONE, now=now),
        lambda: end_persons_sessions(user_id=boss.pk, actor=boss, now=now),
        lambda: change_password(
            user=boss,
            current=PASSWORD,
            password=PASSWORD,
            session_id=None,
            device=PHONE,
            now=now,
        ),
    ]
    for end in ways:
        browser = sign_in()
        assert is_in(browser)

        end()

        assert not is_in(browser)


def test_it_is_over_after_twelve_hours_and_after_an_idle_one(boss):
    now = timezone.now()
    for column, at in (
        ("expires_at", now),
        ("last_seen_at", now - ADMIN_IDLE),
    ):
        browser = sign_in()
        session = Session.objects.latest("id")
        assert session.expires_at - session.created_at == ADMIN_SESSION_LIFETIME
        assert is_in(browser)

        Session.objects.filter(pk=session.pk).update(**{column: at})

        assert not is_in(browser)


def test_a_page_is_noted_as_seen(boss, browser):
    long_ago = timezone.now() - timedelta(minutes=30)
    Session.objects.update(last_seen_at=long_ago)

    assert is_in(browser)

    assert Session.objects.get().last_seen_at > long_ago


def test_signing_out_ends_both(boss, browser):
    browser.post("/admin/logout/")

    assert Session.objects.get().end_reason == "signed_out"
    assert not is_in(browser)


def test_a_cookie_without_a_session_of_the_account_opens_nothing(boss):
    client = Client()
    client.force_login(boss)

    assert not is_in(client)


def test_the_session_has_no_tokens(boss, browser):
    session = Session.objects.get()

    assert session.door == "admin"
    assert not session.refresh_tokens.exists()


def test_changing_the_password_in_the_administration_keeps_the_browser(boss, browser):
    other = sign_in()
    new = "what the boss chose for it"
    body = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}

    assert browser.post("/admin/password_change/", body).status_code == 302

    assert is_in(browser)
    assert not is_in(other)
