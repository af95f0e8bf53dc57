from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.hashers import identify_hasher
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.auth import Argon2Hasher, read_refresh_token
from accounts.constants import SESSION_LIFETIME
from accounts.exceptions import InvalidCredentialsError, InvalidRefreshTokenError
from accounts.models import User
from accounts.selectors import Contact, get_contact
from accounts.services import create_user, refresh_session, sign_in
from accounts.tests.factories import PASSWORD, make_user

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

    signed_in = sign_in(email="Anna@example.com", password=PASSWORD, now=NOW)

    access = AccessToken(signed_in.tokens.access)
    refresh = RefreshToken(signed_in.tokens.refresh)
    assert (access["sub"], refresh["sub"]) == (str(user.pk), str(user.pk))
    assert access["exp"] == (NOW + timedelta(minutes=15)).timestamp()
    assert refresh["exp"] == (NOW + timedelta(days=7)).timestamp()
    user.refresh_from_db()
    assert user.last_login == NOW


@pytest.mark.parametrize("email", ["anna@example.com", "closed@example.com", "x@y.zz"])
def test_sign_in_works_the_hasher_once_for_anybody(argon2, encodings, email):
    make_user(email="anna@example.com")
    make_user(email="closed@example.com", is_active=False)
    encodings.clear()

    with pytest.raises(InvalidCredentialsError):
        sign_in(email=email, password="wrong", now=NOW)  # noqa: S106 -- a wrong one

    assert len(encodings) == 1


def test_sign_in_refuses_an_inactive_user_with_the_right_password():
    make_user(email="closed@example.com", is_active=False)

    with pytest.raises(InvalidCredentialsError):
        sign_in(email="closed@example.com", password=PASSWORD, now=NOW)


def test_sign_in_refuses_an_account_without_a_password():
    create_user(email="anna@example.com", password=None, roles=())

    with pytest.raises(InvalidCredentialsError):
        sign_in(email="anna@example.com", password="", now=NOW)


def refresh_token_of(user, *, signed_in_at=NOW):
    with time_machine.travel(signed_in_at, tick=False):
        return sign_in(
            email=user.email, password=PASSWORD, now=signed_in_at
        ).tokens.refresh


@time_machine.travel(NOW, tick=False)
def test_refresh_session_answers_a_new_pair():
    user = make_user()
    token = refresh_token_of(user)

    tokens = refresh_session(refresh=token, now=NOW)

    assert AccessToken(tokens.access)["sub"] == str(user.pk)
    assert read_refresh_token(tokens.refresh, now=NOW) == (str(user.pk), NOW)
    assert tokens.refresh != token


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 4000, "\u00fc.\u00fc.\u00fc"])
def test_refresh_session_refuses_what_is_no_token(token):
    with pytest.raises(InvalidRefreshTokenError):
        refresh_session(refresh=token, now=NOW)


@time_machine.travel(NOW, tick=False)
def test_refresh_session_refuses_an_access_token():
    tokens = sign_in(email=make_user().email, password=PASSWORD, now=NOW).tokens

    with pytest.raises(InvalidRefreshTokenError):
        refresh_session(refresh=tokens.access, now=NOW)


@time_machine.travel(NOW, tick=False)
def test_refresh_session_refuses_a_deactivated_user():
    user = make_user()
    token = refresh_token_of(user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    with pytest.raises(InvalidRefreshTokenError):
        refresh_session(refresh=token, now=NOW)


def test_refresh_session_refuses_an_expired_token():
    token = refresh_token_of(make_user())
    later = NOW + timedelta(days=7, seconds=1)

    with (
        time_machine.travel(later, tick=False),
        pytest.raises(InvalidRefreshTokenError),
    ):
        refresh_session(refresh=token, now=later)


def test_refresh_session_ends_thirty_days_after_the_sign_in():
    token = refresh_token_of(make_user())
    for day in range(6, SESSION_LIFETIME.days, 6):
        moment = NOW + timedelta(days=day)
        with time_machine.travel(moment, tick=False):
            token = refresh_session(refresh=token, now=moment).refresh

    end = NOW + SESSION_LIFETIME
    with time_machine.travel(end, tick=False), pytest.raises(InvalidRefreshTokenError):
        refresh_session(refresh=token, now=end)


def test_get_contact_answers_the_present_address():
    user = make_user(email="anna@example.com", name="Anna", locale="de")

    assert get_contact(user.pk) == Contact("anna@example.com", "Anna", "de")
    assert get_contact(uuid4()) is None
