from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.hashers import identify_hasher

from accounts.auth import Argon2Hasher, hash_secret
from accounts.auth._jwt import read_token
from accounts.exceptions import InvalidCredentialsError
from accounts.models import RefreshToken
from accounts.selectors import Contact, get_contact
from accounts.services import create_user, sign_in
from accounts.tests.factories import PASSWORD, PHONE, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def argon2(settings):
    settings.PASSWORD_HASHERS = ["accounts.auth.Argon2Hasher"]


@pytest.fixture
def encodings(monkeypatch):
    """Count the work done by the hasher, on either way through it."""
    seen = []
    encode, verify = Argon2Hasher.encode, Argon2Hasher.verify

    def counted_encode(self, password, salt):
        seen.append("encode")
        return encode(self, password, salt)

    def counted_verify(self, password, encoded):
        seen.append("verify")
        return verify(self, password, encoded)

    monkeypatch.setattr(Argon2Hasher, "encode", counted_encode)
    monkeypatch.setattr(Argon2Hasher, "verify", counted_verify)
    return seen


def test_passwords_are_hashed_with_bounded_argon2id(argon2):
    user = make_user()

    assert user.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert not identify_hasher(user.password).must_update(user.password)


@time_machine.travel(NOW, tick=False)
def test_sign_in_answers_tokens_of_the_promised_lifetimes():
    user = make_user(email="anna@example.com")

    signed_in = sign_in(
        email="Anna@example.com", password=PASSWORD, device=PHONE, now=NOW
    )

    access = read_token(signed_in.tokens.access)
    assert access["sub"] == str(user.pk)
    assert access["exp"] == (NOW + timedelta(minutes=15)).timestamp()
    token = RefreshToken.objects.get(token_hash=hash_secret(signed_in.tokens.refresh))
    assert token.expires_at == NOW + timedelta(days=7)
    assert token.session.expires_at == NOW + timedelta(days=30)
    user.refresh_from_db()
    assert user.last_login == NOW


@pytest.mark.parametrize("email", ["anna@example.com", "closed@example.com", "x@y.zz"])
def test_sign_in_works_the_hasher_once_for_anybody(argon2, encodings, email):
    make_user(email="anna@example.com")
    make_user(email="closed@example.com", is_active=False)
    encodings.clear()

    with pytest.raises(InvalidCredentialsError):
        sign_in(email=email, password="wrong", device=PHONE, now=NOW)  # noqa: S106 -- a wrong one

    assert len(encodings) == 1


def test_sign_in_refuses_an_inactive_user_with_the_right_password():
    make_user(email="closed@example.com", is_active=False)

    with pytest.raises(InvalidCredentialsError):
        sign_in(email="closed@example.com", password=PASSWORD, device=PHONE, now=NOW)


def test_sign_in_refuses_an_account_without_a_password():
    create_user(email="anna@example.com", password=None, roles=())

    with pytest.raises(InvalidCredentialsError):
        sign_in(email="anna@example.com", password="", device=PHONE, now=NOW)


def test_get_contact_answers_the_present_address():
    user = make_user(email="anna@example.com", name="Anna", locale="de")

    assert get_contact(user.pk) == Contact("anna@example.com", "Anna", "de")
    assert get_contact(uuid4()) is None
