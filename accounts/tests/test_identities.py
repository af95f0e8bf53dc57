"""Linking other providers' accounts, and who may not."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Identity, Session, User
from accounts.tests.factories import make_user
from accounts.tests.issuers import (
    CALLBACK,
)
from accounts.tests.oauth_flow import (
    EMAIL,
    IDENTITIES,
    REFUSED,
    finish,
    refusal,
    sign_in,
)
from core.models import OutboxEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return make_user(email=EMAIL)


def test_an_equal_address_links_nothing(api, anna, issuer):
    response = sign_in(api, issuer)

    assert refusal(response) == (409, "identity_link_required")
    assert not Identity.objects.exists()
    assert not Session.objects.exists()


def test_the_owner_links_it_by_signing_in_once(api, api_as, anna, issuer):
    ticket = sign_in(api, issuer).json()["ticket"]

    linked = api_as(anna).post(IDENTITIES, {"ticket": ticket})

    assert linked.status_code == 201
    assert (linked.json()["provider"], linked.json()["email"]) == ("fake", EMAIL)
    assert sign_in(api, issuer).json()["user"]["id"] == str(anna.pk)
    event = OutboxEvent.objects.get(name="accounts.identity_linked")
    assert event.payload == {"user_id": str(anna.pk), "provider": "fake"}


def test_the_ticket_links_once_and_for_its_account(api, api_as, anna, issuer, customer):
    ticket = sign_in(api, issuer).json()["ticket"]

    stolen = api_as(customer).post(IDENTITIES, {"ticket": ticket})
    again = api_as(anna).post(IDENTITIES, {"ticket": ticket})

    assert refusal(stolen) == refusal(again) == (401, "invalid_ticket")
    assert not Identity.objects.exists()


@pytest.mark.parametrize("said", [False, None, "true", 1])
@pytest.mark.parametrize("has_account", [True, False])
def test_an_unverified_address_is_refused_whoever_has_it(
    api, issuer, said, has_account
):
    if has_account:
        make_user(email=EMAIL)
    issuer.email_verified = said

    assert refusal(sign_in(api, issuer)) == (403, "provider_email_unverified")
    assert not Identity.objects.exists()


def link(client, issuer, **changes):
    body = {"provider": "fake", "redirect_uri": CALLBACK}
    url = client.post(f"{IDENTITIES}/start", body).json()["authorization_url"]
    back = {"provider": "fake"} | issuer.authorize(url) | changes
    return client.post(IDENTITIES, back)


def test_linking_while_signed_in(api, api_as, anna, issuer):
    issuer.email, issuer.email_verified = "other@example.net", False
    client = api_as(anna)

    linked = link(client, issuer)

    assert linked.status_code == 201
    assert [one["id"] for one in client.get(IDENTITIES).json()] == [linked.json()["id"]]
    assert sign_in(api, issuer).json()["user"]["id"] == str(anna.pk)


def test_a_link_is_for_who_asked_for_it(api, api_as, anna, customer, issuer):
    """Somebody else's link, slipped into the victim's session, links nothing."""
    body = {"provider": "fake", "redirect_uri": CALLBACK}
    start = api_as(customer).post(f"{IDENTITIES}/start", body).json()
    back = issuer.authorize(start["authorization_url"])

    response = api_as(anna).post(IDENTITIES, {"provider": "fake"} | back)

    assert refusal(response) == REFUSED
    assert not Identity.objects.exists()


def test_a_state_to_link_signs_nobody_in(api, api_as, anna, issuer):
    body = {"provider": "fake", "redirect_uri": CALLBACK}
    start = api_as(anna).post(f"{IDENTITIES}/start", body).json()

    assert refusal(finish(api, issuer.authorize(start["authorization_url"]))) == REFUSED


def test_an_identity_is_one_accounts(api, api_as, issuer, customer):
    sign_in(api, issuer)

    assert refusal(link(api_as(customer), issuer)) == (409, "identity_in_use")


def test_unlinking(api, api_as, anna, customer, issuer):
    client = api_as(anna)
    address = f"{IDENTITIES}/{link(client, issuer).json()['id']}"

    assert api_as(customer).delete(address).status_code == 404
    assert client.delete(address).status_code == 204
    assert client.get(IDENTITIES).json() == []
    assert OutboxEvent.objects.filter(name="accounts.identity_unlinked").count() == 1


def test_the_last_way_in_stays(api, api_as, issuer):
    sign_in(api, issuer)
    client = api_as(User.objects.get())
    (identity,) = client.get(IDENTITIES).json()

    response = client.delete(f"{IDENTITIES}/{identity['id']}")

    assert refusal(response) == (409, "last_sign_in_method")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", IDENTITIES),
        ("post", f"{IDENTITIES}/start"),
        ("delete", f"{IDENTITIES}/019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11"),
    ],
)
def test_changing_identities_asks_for_a_recent_proof(api_as, anna, method, path):
    client = api_as(anna)
    Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=11))

    assert refusal(getattr(client, method)(path)) == (403, "step_up_required")


@pytest.mark.parametrize("body", [{}, {"ticket": "x", "code": "y"}, {"code": "y"}])
def test_linking_takes_one_sort_of_proof(api_as, anna, body):
    response = api_as(anna).post(IDENTITIES, body)

    assert refusal(response) == (422, "validation_error")


def test_identities_cost_one_query_however_many(
    api_as, anna, issuer, django_assert_num_queries
):
    client = api_as(anna)
    for count in (1, 2, 3):
        issuer.subject = f"sub-{count}"
        link(client, issuer)
        if count != 2:
            # The session and its user, and the identities.
            with django_assert_num_queries(2):
                assert len(client.get(IDENTITIES).json()) == count
