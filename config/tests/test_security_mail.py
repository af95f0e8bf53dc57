"""What happens to an account, told to its owner by mail, through every package."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts.services import begin_totp, confirm_totp, remove_totp, spend_code
from accounts.tests.authenticators import code_at
from accounts.tests.factories import PASSWORD, PHONE, make_user
from core.tests.delivery import deliver_all
from notifications.constants import KINDS

EMAIL = "anna@example.com"
WRONG = "not it"

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return make_user(email=EMAIL)


def subjects():
    deliver_all()
    assert {message.to[0] for message in mail.outbox} <= {EMAIL}
    return [message.subject for message in mail.outbox]


def test_the_owner_is_told_of_each_change_to_an_app(anna):
    now = timezone.now()
    secret = begin_totp(user=anna, now=now).secret
    codes = confirm_totp(user=anna, code=code_at(secret, now), device=PHONE, now=now)
    spend_code(user_id=anna.pk, code=codes[0], device=PHONE, now=now)
    remove_totp(user=anna, device=PHONE, now=now + timedelta(minutes=1))

    assert subjects() == [
        "A way to sign in was added",
        "A recovery code was used",
        "A way to sign in was removed",
    ]
    assert not any(secret in m.body or codes[0] in m.body for m in mail.outbox)


def test_guesses_are_told_once(anna, api):
    body = {"email": EMAIL, "password": WRONG}
    for _ in range(15):
        api.post("/api/v1/auth/login", body)

    assert subjects() == ["Somebody is guessing your password"]


def test_guessed_codes_are_told_once(anna, api):
    earlier = timezone.now() - timedelta(minutes=5)
    secret = begin_totp(user=anna, now=earlier).secret
    confirm_totp(user=anna, code=code_at(secret, earlier), device=PHONE, now=earlier)
    deliver_all()
    mail.outbox.clear()

    for _ in range(3):
        signing_in = {"email": EMAIL, "password": PASSWORD}
        ticket = api.post("/api/v1/auth/login", signing_in).json()["ticket"]
        for _ in range(4):
            body = {"ticket": ticket, "code": "000000"}
            assert api.post("/api/v1/auth/mfa", body).status_code == 401

    assert subjects() == ["Somebody is guessing your codes"]


@pytest.mark.parametrize(
    "slug", [slug for slug, kind in KINDS.items() if kind.notice is not None]
)
def test_a_notice_is_text_and_html_and_speaks_of_what_to_do(slug):
    notice = KINDS[slug].notice

    assert isinstance(notice.headline, type(gettext_lazy("x")))
    assert not str(notice.headline).endswith(".")
    assert str(notice.text).endswith(".")
    assert str(notice.advice).endswith(".")
