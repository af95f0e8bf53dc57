"""Signing in with other providers' accounts, over real HTTP on their side."""

import time
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from accounts.auth import _oauth
from accounts.models import ActivityEntry, Ceremony, Identity, Session, User
from accounts.services import begin_totp, confirm_totp
from accounts.tests.authenticators import code_at
from accounts.tests.factories import PHONE, make_user
from accounts.tests.issuers import (
    CALLBACK,
    described,
    fake_issuer,
    github,
    sign_and_change,
    sign_with_a_key_of_its_own,
    sign_with_an_unknown_key,
    sign_with_another_key,
    sign_with_nothing,
    sign_with_the_public_key,
    sign_with_the_secret,
)
from accounts.tests.oauth_flow import (
    EMAIL,
    OAUTH,
    REFUSED,
    begin,
    finish,
    refusal,
    sign_in,
    start,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return make_user(email=EMAIL)


def test_providers_are_listed_without_their_secrets(api, issuer):
    assert api.get(f"{OAUTH}/providers").json() == [{"name": "fake", "title": "Fake"}]


def test_the_start_asks_for_a_code_with_pkce_state_and_nonce(api, issuer):
    response = start(api)

    url = urlsplit(response.json()["authorization_url"])
    query = dict(parse_qsl(url.query))
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{issuer.url}/authorize"
    assert query.pop("state") == response.json()["state"]
    assert len(query.pop("nonce")) == len(query.pop("code_challenge")) == 43
    assert query == {
        "response_type": "code",
        "client_id": "shop",
        "redirect_uri": CALLBACK,
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }


def test_neither_state_nor_nonce_nor_verifier_is_stored(api, issuer):
    url = urlsplit(begin(api))
    query = dict(parse_qsl(url.query))

    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_ceremony::text FROM accounts_ceremony")
        (row,) = cursor.fetchone()

    assert query["state"] not in row
    assert query["nonce"] not in row


@pytest.mark.parametrize(
    "uri",
    [
        f"{CALLBACK}/",
        f"{CALLBACK}?x=1",
        f"{CALLBACK}#x",
        CALLBACK.upper(),
        "https://shop.example.evil.example/signed-in",
        "https://shop.example/signed-in/../evil",
    ],
)
def test_a_redirect_uri_is_right_to_the_letter_or_refused(api, issuer, uri):
    response = start(api, redirect_uri=uri)

    assert refusal(response) == (422, "redirect_uri_refused")
    assert issuer.asked == []


def test_each_provider_may_have_a_page_of_its_own(api, issuer, settings):
    settings.OAUTH_REDIRECT_URIS = ["https://shop.example/from/{provider}"]
    settings.OAUTH_PROVIDERS = [
        described("fake", issuer.url),
        described("other", issuer.url),
    ]

    answers = {
        (provider, page): start(
            api, provider, f"https://shop.example/from/{page}"
        ).status_code
        for provider in ("fake", "other")
        for page in ("fake", "other", "{provider}", "")
    }

    right = [tried for tried, status in answers.items() if status == 200]
    assert right == [("fake", "fake"), ("other", "other")]
    assert set(answers.values()) == {200, 422}


def test_an_unknown_provider_is_not_there(api, issuer):
    assert start(api, provider="other").status_code == 404
    assert finish(api, {"code": "x", "state": "y"}, "other").status_code == 404


def test_a_first_sign_in_opens_an_account(api, issuer):
    response = sign_in(api, issuer)

    assert response.status_code == 200
    user = User.objects.get()
    assert (user.email, user.email_verified) == (EMAIL, True)
    assert not user.has_usable_password()
    assert response.json()["user"]["roles"] == ["customer"]
    identity = Identity.objects.get()
    assert (identity.issuer, identity.subject) == (issuer.url, "sub-1")
    assert Session.objects.get().methods == ["oauth"]
    kinds = set(ActivityEntry.objects.values_list("kind", flat=True))
    assert kinds == {"registered", "identity_linked", "signed_in"}


def test_a_second_sign_in_opens_the_same_account(api, issuer):
    sign_in(api, issuer)
    issuer.email = "moved@example.com"

    response = sign_in(api, issuer)

    assert response.json()["user"]["email"] == EMAIL
    assert User.objects.count() == 1


def test_the_address_may_stand_in_the_user_info(api, issuer):
    issuer.lies = {"email_elsewhere": True}

    assert sign_in(api, issuer).json()["user"]["email"] == EMAIL


def test_the_identitys_address_rests_encrypted(api, issuer):
    sign_in(api, issuer)

    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM accounts_identity")
        (stored,) = cursor.fetchone()
    assert EMAIL not in stored


def test_a_provider_that_changes_its_keys_is_followed(api, issuer, monkeypatch):
    monkeypatch.setattr(_oauth, "_LOOK_AGAIN_SECONDS", 0)
    sign_in(api, issuer)
    issuer.rotate("two")

    assert sign_in(api, issuer).status_code == 200
    assert issuer.asked.count("/jwks") == 2


def test_metadata_and_keys_are_remembered(api, issuer):
    for _ in range(3):
        sign_in(api, issuer)

    assert issuer.asked.count("/jwks") == 1
    assert issuer.asked.count("/.well-known/openid-configuration") == 1


NOW = int(time.time())
BROKEN = {
    "signed by nobody": {"sign": sign_with_nothing},
    "signed with our secret": {"sign": sign_with_the_secret},
    "signed with the public key": {"sign": sign_with_the_public_key},
    "another's key under its name": {"sign": sign_with_another_key},
    "a key that isn't published": {"sign": sign_with_an_unknown_key},
    "a key in the token itself": {"sign": sign_with_a_key_of_its_own},
    "changed afterwards": {"sign": sign_and_change},
    "no token at all": {"sign": lambda *_: "rubbish"},
    "another issuer's": {"claims": {"iss": "https://evil.example"}},
    "no issuer": {"claims": {"iss": None}},
    "for another client": {"claims": {"aud": "another"}},
    "for others as well": {"claims": {"aud": ["shop", "another"], "azp": "shop"}},
    "for nobody": {"claims": {"aud": None}},
    "authorized to another": {"claims": {"azp": "another"}},
    "expired": {"claims": {"exp": NOW - 3600}},
    "without end": {"claims": {"exp": None}},
    "from the past": {"claims": {"iat": NOW - 3600}},
    "from the future": {"claims": {"iat": NOW + 7200, "exp": NOW + 9000}},
    "not yet valid": {"claims": {"nbf": NOW + 3600}},
    "without nonce": {"claims": {"nonce": None}},
    "another sign-in's nonce": {"claims": {"nonce": "another"}},
    "of another access token": {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
    "of nobody": {"claims": {"sub": None}},
    "of a number": {"claims": {"sub": 5}},
    "of a very long name": {"claims": {"sub": "x" * 256}},
    "no id token": {"tokens": {"id_token": None}},
    "no access token": {"tokens": {"access_token": None}},
    "another type of token": {"tokens": {"token_type": "mac"}},
    "the answer is a list": {"token_answer": []},
    "the answer isn't JSON": {"token_answer": b"<html>"},
    "the code is refused": {"token_status": 400},
    "a redirect elsewhere": {"token_status": 302},
    "no keys": {"jwks": {"keys": []}},
    "rubbish for keys": {"jwks": {"keys": [{"kty": "EC", "crv": "P-256"}]}},
    "keys of no shape": {"jwks": []},
    "another person's user info": {
        "email_elsewhere": True,
        "userinfo": {"sub": "somebody-else"},
    },
}


@pytest.mark.parametrize("lies", BROKEN.values(), ids=BROKEN)
def test_every_broken_rule_is_refused_alike(api, issuer, lies):
    issuer.lies = lies

    response = sign_in(api, issuer)

    assert refusal(response) == REFUSED
    assert response.json()["detail"] == "The provider's sign-in was not accepted"
    assert not User.objects.exists()
    assert not Session.objects.exists()


METADATA = {
    "another issuer's": {"issuer": "https://evil.example"},
    "no PKCE": {"code_challenge_methods_supported": ["plain"]},
    "no token endpoint": {"token_endpoint": None},
    "no keys": {"jwks_uri": ""},
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
def test_metadata_that_breaks_a_rule_starts_nothing(api, issuer, metadata):
    issuer.lies = {"metadata": metadata}

    response = start(api)

    assert refusal(response) == (503, "identity_provider_unavailable")
    assert not Ceremony.objects.exists()


def test_endpoints_of_others_must_be_https(api, issuer, settings):
    (entry,) = settings.OAUTH_PROVIDERS
    settings.OAUTH_PROVIDERS = [entry | {"internal": False}]

    assert refusal(start(api)) == (503, "identity_provider_unavailable")
    assert issuer.asked == []


@pytest.mark.parametrize("iss", ["https://evil.example", "", None])
def test_a_code_of_another_issuer_is_not_exchanged(api, issuer, iss):
    assert refusal(sign_in(api, issuer, iss=iss)) == REFUSED
    assert "/token" not in issuer.asked


def test_a_provider_that_never_says_iss_is_not_asked_for_it(api, issuer):
    name = "authorization_response_iss_parameter_supported"
    issuer.lies = {"metadata": {name: False}}

    assert sign_in(api, issuer, iss=None).status_code == 200


def test_a_state_and_its_code_count_once(api, issuer):
    back = issuer.authorize(begin(api))

    assert finish(api, back).status_code == 200
    assert refusal(finish(api, back)) == REFUSED
    assert issuer.asked.count("/token") == 1


def test_a_code_of_another_sign_in_is_refused(api, issuer):
    """The attacker's code in the victim's session: PKCE stops it at the provider."""
    attackers = issuer.authorize(begin(api))["code"]
    back = issuer.authorize(begin(api)) | {"code": attackers}

    assert refusal(finish(api, back)) == REFUSED


def test_an_id_token_of_another_sign_in_is_refused(api, issuer):
    kept = []
    honest = issuer.id_token
    issuer.id_token = lambda *given: kept.append(honest(*given)) or kept[0]

    assert sign_in(api, issuer).status_code == 200
    assert refusal(sign_in(api, issuer)) == REFUSED


@pytest.mark.parametrize("state", ["", "x", "é" * 50])
def test_a_state_that_is_not_ours_is_refused(api, issuer, state):
    response = sign_in(api, issuer, state=state)

    assert response.status_code in {401, 422}
    assert "/token" not in issuer.asked


def test_a_state_is_one_devices(api, issuer):
    back = issuer.authorize(begin(api))

    elsewhere = finish(api, back, **{"User-Agent": "curl/8"})

    assert refusal(elsewhere) == REFUSED


def test_a_state_holds_for_ten_minutes(api, issuer):
    back = issuer.authorize(begin(api))
    Ceremony.objects.update(expires_at=timezone.now())

    assert refusal(finish(api, back)) == REFUSED


def test_a_state_is_one_providers(api, issuer, settings):
    """Mix-up: the answer of one provider is brought as another's."""
    with fake_issuer() as other:
        settings.OAUTH_PROVIDERS = [
            described("fake", issuer.url),
            described("other", other.url),
        ]
        back = issuer.authorize(begin(api))

        assert refusal(finish(api, back, "other")) == REFUSED
        assert other.asked == []


def test_a_closed_account_is_not_opened(api, issuer):
    sign_in(api, issuer)
    User.objects.update(is_active=False)

    assert refusal(sign_in(api, issuer)) == REFUSED


def test_the_second_factor_is_asked_for_after_the_provider_too(api, issuer):
    sign_in(api, issuer)
    user, earlier = User.objects.get(), timezone.now() - timedelta(minutes=5)
    secret = begin_totp(user=user, now=earlier).secret
    code = code_at(secret, earlier)
    confirm_totp(user=user, code=code, device=PHONE, now=earlier)

    response = sign_in(api, issuer)

    assert response.json()["mfa_required"] is True
    body = {
        "ticket": response.json()["ticket"],
        "code": code_at(secret, timezone.now()),
    }
    assert api.post("/api/v1/auth/mfa", body).status_code == 200


def test_a_provider_that_is_gone_is_unavailable(api, issuer, settings):
    settings.OAUTH_PROVIDERS = [described("fake", "http://127.0.0.1:1")]

    response = start(api)

    assert refusal(response) == (503, "identity_provider_unavailable")
    assert response.headers["Retry-After"] == "5"


@pytest.fixture
def hub(issuer, settings):
    settings.OAUTH_PROVIDERS = [github(issuer.url)]
    return issuer


def sign_in_by_github(api, hub):
    url = start(api, "github").json()["authorization_url"]
    return finish(api, hub.authorize(url, iss=None), "github")


def test_github_signs_in_by_its_verified_primary_address(api, hub):
    response = sign_in_by_github(api, hub)

    assert response.status_code == 200
    assert response.json()["user"]["email"] == EMAIL
    identity = Identity.objects.get()
    assert (identity.issuer, identity.subject) == ("https://github.com", "583231")
    assert sign_in_by_github(api, hub).json()["user"]["email"] == EMAIL


GITHUB = {
    "no user": ({"user": {}}, REFUSED),
    "a user by another id": ({"user": {"id": "583231"}}, REFUSED),
    "no addresses": ({"emails": []}, (403, "provider_email_unverified")),
    "addresses of no shape": ({"emails": ["x"]}, (403, "provider_email_unverified")),
}


@pytest.mark.parametrize(("lies", "expected"), GITHUB.values(), ids=GITHUB)
def test_github_has_to_say_who_it_is(api, hub, lies, expected):
    hub.lies = lies

    assert refusal(sign_in_by_github(api, hub)) == expected


def test_an_address_that_github_has_not_verified_is_none(api, hub):
    hub.email_verified = False

    response = sign_in_by_github(api, hub)

    assert refusal(response) == (403, "provider_email_unverified")
