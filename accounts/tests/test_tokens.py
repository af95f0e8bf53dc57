"""What opens doors, and everything that tries to and must not."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework.test import APIClient

from accounts.auth import key_ring
from accounts.models import Session, SigningKey, User
from accounts.tests.factories import make_tokens, make_user

pytestmark = pytest.mark.django_db
NOBODY = UUID("4f9d4a52-4c5b-4d0e-8a53-3f6a3b1c2d4e")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(params=["EdDSA", "HS256"])
def algorithm(request, settings):
    settings.TOKEN_ALGORITHM = request.param
    return request.param


@pytest.fixture
def pair(algorithm):
    return make_tokens(make_user())


def ask(token):
    client = APIClient()
    return client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})


def assert_refused(token):
    response = ask(token)
    assert (response.status_code, response.json()["code"]) == (
        401,
        "authentication_failed",
    )


def key():
    return key_ring.find(SigningKey.objects.get().kid, now=NOW)


def claims(pair):
    return jwt.decode(pair.access, options={"verify_signature": False})


def forge(pair, *, header=None, secret=None, algorithm=None, **changes):
    """Sign with our own key, unless another is given; a change to None removes."""
    merged = claims(pair) | changes
    payload = {name: value for name, value in merged.items() if value is not None}
    return jwt.encode(
        payload,
        key().signing if secret is None else secret,
        algorithm=algorithm or key().algorithm,
        headers={"kid": key().kid} | (header or {}),
    )


def test_a_token_says_all_that_it_must_and_opens_the_door(pair, algorithm):
    assert jwt.get_unverified_header(pair.access) == {
        "alg": algorithm,
        "kid": key().kid,
        "typ": "JWT",
    }
    said = claims(pair)
    assert set(said) == {
        *("iss", "aud", "sub", "sid", "jti"),
        *("exp", "nbf", "iat"),
        "token_type",
    }
    assert said["exp"] - said["iat"] == 15 * 60
    assert said["sid"] == str(pair.session_id)
    assert ask(pair.access).status_code == 200
    # What the tests below change is what makes the difference.
    assert ask(forge(pair)).status_code == 200


def test_roles_are_not_in_a_token(pair):
    User.objects.update(is_staff=True)
    staff = make_tokens(User.objects.get())

    assert claims(staff)["staff"] is True
    assert "roles" not in claims(staff)
    # It raises quotas and nothing else.
    assert ask(forge(pair, staff=True)).json()["roles"] == ["customer"]


def unsigned(pair, alg):
    parts = [{"alg": alg, "kid": key().kid, "typ": "JWT"}, claims(pair)]
    encoded = [
        urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts
    ]
    return ".".join([*encoded, ""])


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "EdDSA"])
def test_a_token_without_a_signature_is_refused(pair, alg):
    assert_refused(unsigned(pair, alg))


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(settings):
    settings.TOKEN_ALGORITHM = "EdDSA"  # noqa: S105 -- an algorithm
    pair = make_tokens(make_user())
    public = key().verifying
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    for secret in (raw, pem.replace(b"-----", b"=====")):
        assert_refused(forge(pair, secret=secret, algorithm="HS256"))


@pytest.mark.parametrize("other", ["RS256", "EdDSA", "HS512"])
def test_a_token_of_another_algorithm_is_refused(settings, other):
    settings.TOKEN_ALGORITHM = "HS256"  # noqa: S105 -- an algorithm
    pair = make_tokens(make_user())
    secret = {
        "RS256": generate_private_key(65537, 2048),
        "EdDSA": Ed25519PrivateKey.generate(),
        "HS512": key().signing,
    }[other]

    assert_refused(forge(pair, secret=secret, algorithm=other))


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "",
        "0" * 32,
        "a" * 5000,
        __file__,
    ],
)
def test_a_kid_is_a_name_in_our_table_and_nothing_else(pair, kid):
    for secret in (None, b""):
        if secret == b"" and key().algorithm != "HS256":
            continue
        assert_refused(forge(pair, header={"kid": kid}, secret=secret or key().signing))


def test_a_token_without_a_kid_is_refused(pair):
    assert_refused(jwt.encode(claims(pair), key().signing, algorithm=key().algorithm))


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}},
        {"x5c": ["AAAA"]},
        {"crit": ["exp"]},
    ],
    ids=lambda header: next(iter(header)),
)
def test_a_header_that_brings_its_own_trust_is_refused(pair, header):
    assert_refused(forge(pair, header=header))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-api"},
        {"aud": ["shopwright-api", "another-api"]},
        {"aud": ""},
        {"iss": "somebody"},
        {"token_type": "refresh"},
        {"token_type": "ticket"},
        {"sid": "x"},
        {"sid": str(NOBODY)},
        {"sid": 1},
        {"sub": str(NOBODY)},
        {"exp": "tomorrow"},
        {"exp": 1},
        {"nbf": 2**40},
        {"iat": 2**40},
    ],
    ids=str,
)
def test_a_claim_that_is_not_ours_is_refused(pair, changes):
    assert_refused(forge(pair, **changes))


@pytest.mark.parametrize(
    "claim", ["iss", "aud", "sub", "sid", "jti", "exp", "nbf", "iat", "token_type"]
)
def test_a_token_that_lacks_a_claim_is_refused(pair, claim):
    assert_refused(forge(pair, **{claim: None}))


def test_a_refresh_token_opens_no_door(pair):
    assert_refused(pair.refresh)


def test_a_token_of_a_key_that_is_gone_is_refused(pair):
    SigningKey.objects.all().delete()
    key_ring.forget()

    assert_refused(pair.access)


def test_a_tampered_token_is_refused(pair):
    head, body, signature = pair.access.split(".")
    other = claims(pair) | {"sub": str(uuid4())}
    changed = urlsafe_b64encode(json.dumps(other).encode()).decode().rstrip("=")

    assert_refused(f"{head}.{changed}.{signature}")
    assert_refused(f"{head}.{body}.{signature[:-4]}AAAA")


def test_a_token_is_refused_when_its_time_is_over(algorithm):
    with time_machine.travel(NOW, tick=False) as moment:
        pair = make_tokens(make_user())
        assert ask(pair.access).status_code == 200

        # Clocks of two nodes may be five seconds apart.
        moment.move_to(NOW + timedelta(minutes=15, seconds=4))
        assert ask(pair.access).status_code == 200
        moment.move_to(NOW + timedelta(minutes=15, seconds=5))
        assert_refused(pair.access)


def test_a_token_is_refused_before_its_time(algorithm):
    with time_machine.travel(NOW, tick=False) as moment:
        pair = make_tokens(make_user())

        moment.move_to(NOW - timedelta(seconds=6))
        assert_refused(pair.access)
        # The refusal isn't remembered.
        moment.move_to(NOW - timedelta(seconds=5))
        assert ask(pair.access).status_code == 200


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "bearer a b", "Bearer \xe9"])
def test_a_header_without_a_token_is_refused(api, header):
    response = api.get("/api/v1/auth/me", headers={"Authorization": header})

    assert response.status_code == 401


def test_a_token_is_refused_once_its_session_has_ended(pair):
    Session.objects.update(ended_at=NOW, end_reason="signed_out")

    assert_refused(pair.access)


def test_a_token_is_refused_once_its_session_is_too_old(algorithm):
    with time_machine.travel(NOW, tick=False):
        pair = make_tokens(make_user())
        Session.objects.update(expires_at=NOW)

        assert_refused(pair.access)
