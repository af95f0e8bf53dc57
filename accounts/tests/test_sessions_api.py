from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth import Device
from accounts.constants import ACCESS_LIFETIME, REFRESH_IDLE
from accounts.models import ActivityEntry, Session
from accounts.tests.factories import PASSWORD, make_tokens, make_user

pytestmark = pytest.mark.django_db
SESSIONS = "/api/v1/auth/sessions"
LAPTOP = Device(name="Laptop", address="203.0.113.8", user_agent="Chrome/200")


def client_of(pair):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
    return client


def is_open(pair):
    return client_of(pair).get("/api/v1/auth/me").status_code == 200


@pytest.fixture
def user():
    return make_user()


@pytest.fixture
def phone(user):
    return make_tokens(user)


@pytest.fixture
def laptop(user):
    return make_tokens(user, device=LAPTOP)


@pytest.fixture
def stranger():
    return make_tokens(make_user())


def test_the_list_shows_where_its_owner_is_signed_in(phone, laptop, stranger):
    Session.objects.filter(pk=phone.session_id).update(
        last_seen_at=timezone.now() - timedelta(seconds=30)
    )

    listed = client_of(phone).get(SESSIONS).json()["results"]

    assert [one["id"] for one in listed] == [
        str(laptop.session_id),
        str(phone.session_id),
    ]
    assert [one["current"] for one in listed] == [False, True]
    first = listed[0]
    shown = (first["name"], first["ip"], first["user_agent"], first["methods"])
    assert shown == ("Laptop", "203.0.113.8", "Chrome/200", ["password"])
    assert set(first) >= {"created_at", "last_seen_at", "expires_at"}


def test_the_list_leaves_out_what_is_over(phone, laptop, user):
    old = make_tokens(user)
    Session.objects.filter(pk=old.session_id).update(expires_at=timezone.now())
    client_of(laptop).post("/api/v1/auth/logout", {})

    listed = client_of(phone).get(SESSIONS).json()["results"]

    assert [one["id"] for one in listed] == [str(phone.session_id)]


def test_the_list_costs_the_same_for_one_and_for_three(
    phone, user, django_assert_num_queries
):
    client = client_of(phone)
    for rows in (1, 3):
        with django_assert_num_queries(2):
            assert len(client.get(SESSIONS).json()["results"]) == rows
        make_tokens(user)
        make_tokens(user)


def test_one_session_is_ended_and_the_others_go_on(phone, laptop):
    response = client_of(phone).delete(f"{SESSIONS}/{laptop.session_id}")

    assert (response.status_code, response.content) == (204, b"")
    assert (is_open(phone), is_open(laptop)) == (True, False)
    ended = Session.objects.get(pk=laptop.session_id)
    assert ended.end_reason == "ended_elsewhere"
    again = client_of(phone).delete(f"{SESSIONS}/{laptop.session_id}")
    assert again.status_code == 404


def test_ending_the_own_session_signs_out(phone):
    client_of(phone).delete(f"{SESSIONS}/{phone.session_id}")

    assert not is_open(phone)
    assert Session.objects.get().end_reason == "signed_out"


def test_a_strangers_session_is_not_there(phone, stranger):
    for session_id in (stranger.session_id, uuid4()):
        response = client_of(phone).delete(f"{SESSIONS}/{session_id}")

        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert is_open(stranger)


def test_all_others_are_ended_at_once(phone, laptop, stranger, user):
    third = make_tokens(user)

    response = client_of(phone).delete(SESSIONS)

    assert response.status_code == 204
    assert [is_open(one) for one in (phone, laptop, third, stranger)] == [
        True,
        False,
        False,
        True,
    ]
    entry = ActivityEntry.objects.get(kind="session_ended")
    assert entry.details == {"reason": "ended_elsewhere", "sessions": 2}


def age_proofs():
    Session.objects.update(authenticated_at=timezone.now() - timedelta(hours=1))


def test_ending_others_asks_for_a_fresh_proof(phone, laptop):
    """Or a thief could sign the owner out, and stay."""
    age_proofs()
    client = client_of(phone)

    refused = [
        client.delete(SESSIONS),
        client.delete(f"{SESSIONS}/{laptop.session_id}"),
        client.delete(f"{SESSIONS}/{uuid4()}"),
    ]

    assert [one.json()["code"] for one in refused] == ["step_up_required"] * 3
    assert is_open(laptop)
    client.post("/api/v1/auth/step-up", {"password": PASSWORD})
    assert client.delete(SESSIONS).status_code == 204
    assert not is_open(laptop)


def test_signing_oneself_out_asks_for_none(phone):
    age_proofs()

    response = client_of(phone).delete(f"{SESSIONS}/{phone.session_id}")

    assert response.status_code == 204
    assert not is_open(phone)


def test_a_session_that_nobody_can_refresh_any_more_is_not_listed(phone, laptop):
    idle = timezone.now() - REFRESH_IDLE - ACCESS_LIFETIME
    Session.objects.filter(pk=laptop.session_id).update(last_seen_at=idle)

    listed = client_of(phone).get(SESSIONS).json()["results"]

    assert [one["id"] for one in listed] == [str(phone.session_id)]


def test_logout_ends_the_session_and_its_refresh_token(api, phone, laptop):
    response = client_of(phone).post("/api/v1/auth/logout", {})

    assert (response.status_code, response.content) == (204, b"")
    assert (is_open(phone), is_open(laptop)) == (False, True)
    refused = api.post("/api/v1/auth/refresh", {"refresh": phone.refresh})
    assert (refused.status_code, refused.json()["code"]) == (
        401,
        "invalid_refresh_token",
    )


def test_logout_ends_another_session_of_ones_own_too(phone, laptop, stranger):
    client = client_of(phone)

    client.post("/api/v1/auth/logout", {"refresh": stranger.refresh})
    assert is_open(stranger)

    phone_again = make_tokens(Session.objects.get(pk=phone.session_id).user)
    client_of(phone_again).post("/api/v1/auth/logout", {"refresh": laptop.refresh})
    assert not is_open(laptop)
