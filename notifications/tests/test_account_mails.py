"""From what happens to an account to the mail that its owner reads."""

import re

import pytest
from django.core import mail
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth import Device
from accounts.constants import Method
from accounts.models import User
from accounts.services import start_session
from accounts.tests.factories import PASSWORD, make_tokens, make_user
from core.models import OutboxEvent
from core.tests.delivery import deliver_all

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://localhost:8000/account/([a-z-]+)#token=([\w-]{43})\s")
ANNA = "anna@example.com"


def post(path, client=None, **body):
    client = client or APIClient()
    return client.post(f"/api/v1/auth/{path}", body, format="json")


def newest():
    deliver_all()
    return mail.outbox[-1]


def signed_in(user):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_tokens(user).access}")
    return client


def test_a_registration_brings_a_link_that_works():
    post("register", email=ANNA, password=PASSWORD, locale="de-CH")

    message = newest()

    assert message.to == [ANNA]
    assert message.subject == "Bestätigen Sie Ihre Adresse"
    page, secret = LINK.search(message.body).groups()
    [(html, _)] = message.alternatives
    assert f'href="http://localhost:8000/account/{page}#token={secret}"' in html
    assert 'lang="de"' in html
    assert post(page, token=secret).status_code == 200


def test_no_secret_is_in_the_outbox():
    post("register", email=ANNA, password=PASSWORD)

    _, secret = LINK.search(newest().body).groups()

    payloads = str([*OutboxEvent.objects.values_list("payload", flat=True)])
    assert secret not in payloads
    assert ANNA not in payloads


def test_a_forgotten_password_brings_a_link_that_works():
    make_user(email=ANNA)
    post("forgot-password", email=ANNA)

    page, secret = LINK.search(newest().body).groups()

    assert post(page, token=secret, password="another long one").status_code == 204  # noqa: S106 -- a new one
    assert newest().subject == "Your password was changed"


def test_who_has_an_account_is_told_when_it_is_registered_again():
    make_user(email=ANNA)
    post("register", email=ANNA, password=PASSWORD)

    message = newest()

    assert (message.to, message.subject) == ([ANNA], "You have an account already")
    assert LINK.search(message.body) is None


def test_a_new_address_is_confirmed_there_and_told_to_the_old_one():
    user = make_user(email=ANNA, locale="de")
    client = signed_in(user)
    post("change-email", client, email="new@example.com", current_password=PASSWORD)

    asked = newest()
    assert asked.to == ["new@example.com"]
    page, secret = LINK.search(asked.body).groups()
    assert post(page, token=secret).status_code == 204
    told = newest()

    assert (told.to, told.subject) == ([ANNA], "Ihre Adresse wurde geändert")
    assert "new@example.com" not in told.body
    assert User.objects.get().email == "new@example.com"


def test_a_new_device_is_told_of():
    user = make_user(email=ANNA)
    make_tokens(user)
    laptop = Device(name="Laptop", address="198.51.100.7", user_agent="Chrome/200")
    start_session(
        user=user, device=laptop, methods=(Method.PASSWORD,), now=timezone.now()
    )

    message = newest()

    assert message.subject == "A new device signed in"
    [(html, _)] = message.alternatives
    for body in (message.body, html):
        told = [t for t in ("Laptop", "198.51.100.7", "Chrome/200") if t not in body]
        assert told == []


def test_a_reused_refresh_token_is_told_of():
    tokens = make_tokens(make_user(email=ANNA))
    second = post("refresh", refresh=tokens.refresh).json()["refresh"]
    post("refresh", refresh=second)
    assert post("refresh", refresh=tokens.refresh).status_code == 401

    message = newest()

    assert (message.to, message.subject) == ([ANNA], "We ended a session of yours")


def test_who_leaves_gets_a_link_that_keeps_the_account():
    user = make_user(email=ANNA, locale="de")
    signed_in(user).delete("/api/v1/auth/me", {"password": PASSWORD}, format="json")

    message = newest()

    assert message.subject == "Ihr Konto wird gelöscht"
    token = re.search(r"/account/undo-erasure#token=(\S+)", message.body)[1]
    assert token not in str([*OutboxEvent.objects.values_list("payload", flat=True)])
    assert post("undo-erasure", token=token).status_code == 204
    assert newest().subject == "Ihr Konto bleibt"
