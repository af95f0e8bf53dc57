"""Signing in by a real OpenID provider, npm's oidc-provider, in its own process."""

import pytest

from accounts.auth import forget_providers
from accounts.models import User
from accounts.tests.factories import make_user
from accounts.tests.issuers import (
    CALLBACK,
    described,
    real_provider,
)
from accounts.tests.oauth_flow import EMAIL, IDENTITIES, REFUSED, finish, refusal, start

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return make_user(email=EMAIL)


@pytest.fixture(scope="module")
def real():
    with real_provider() as running:
        yield running


@pytest.fixture
def offered(real, settings, roles):
    settings.OAUTH_PROVIDERS = [described("real", real.url)]
    settings.OAUTH_REDIRECT_URIS = [CALLBACK]
    forget_providers()
    yield real
    forget_providers()


def visit(api, real, person="anna"):
    url = start(api, "real").json()["authorization_url"]
    return real.authorize(url, person=person)


def test_a_real_provider_signs_in(api, offered):
    back = visit(api, offered)

    response = finish(api, back, "real")

    assert set(back) == {"code", "state", "iss"}
    assert response.status_code == 200, response.content
    assert response.json()["user"]["email"] == EMAIL
    assert response.json()["user"]["name"] == "Anna Smith"
    assert finish(api, visit(api, offered), "real").status_code == 200
    assert User.objects.count() == 1


def test_a_real_providers_answer_counts_once(api, offered):
    back = visit(api, offered)
    finish(api, back, "real")

    assert refusal(finish(api, back, "real")) == REFUSED


def test_a_real_providers_code_is_bound_to_its_sign_in(api, offered):
    attackers = visit(api, offered, person="eve")["code"]
    back = visit(api, offered) | {"code": attackers}

    assert refusal(finish(api, back, "real")) == REFUSED


def test_a_real_provider_takes_over_no_account(api, api_as, anna, offered):
    by_address = finish(api, visit(api, offered), "real")
    by_claim = finish(api, visit(api, offered, person="eve"), "real")

    assert refusal(by_address) == (409, "identity_link_required")
    assert refusal(by_claim) == (403, "provider_email_unverified")
    ticket = by_address.json()["ticket"]
    assert api_as(anna).post(IDENTITIES, {"ticket": ticket}).status_code == 201
    assert finish(api, visit(api, offered), "real").status_code == 200
