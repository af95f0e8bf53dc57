"""Second factors and identities that people have already, for tests of what comes after."""

from datetime import timedelta

from django.utils import timezone

from accounts.auth import Claims, Device
from accounts.constants import Method
from accounts.models import Ceremony, Identity
from accounts.services import (
    begin_totp,
    confirm_totp,
    passkey_registration_options,
    register_passkey,
)
from accounts.services._identities import _offer
from accounts.services._tickets import ask_for_more
from accounts.tests.authenticators import Authenticator, code_at

# Of a client that says nothing of itself, as Django's test client.
UNKNOWN = Device()


def enrol(user):
    """Set up an app a while ago, so that the present step is fresh."""
    earlier = timezone.now() - timedelta(minutes=5)
    secret = begin_totp(user=user, now=earlier).secret
    code = code_at(secret, earlier)
    return secret, confirm_totp(user=user, code=code, device=UNKNOWN, now=earlier)


def pending_code(user):
    now = timezone.now()
    return code_at(begin_totp(user=user, now=now).secret, now)


def make_ticket_of(user):
    asked = ask_for_more(
        Ceremony.Kind.MFA,
        user=user,
        steps=(Method.TOTP,),
        methods=(Method.PASSWORD,),
        device=UNKNOWN,
        now=timezone.now(),
    )
    return asked.ticket


def make_passkey(user):
    """Return a passkey, and the authenticator that it is on."""
    now, key = timezone.now(), Authenticator()
    options = passkey_registration_options(user=user, device=UNKNOWN, now=now)
    passkey = register_passkey(
        user=user,
        credential=key.create(options),
        name="One",
        device=UNKNOWN,
        now=now,
    )
    return passkey, key


def make_identity(user):
    return Identity.objects.create(
        user=user,
        provider="fake",
        issuer="https://id.example",
        subject="sub-1",
        created_at=timezone.now(),
    )


def make_offer(user):
    """Return the ticket by which the user may link an identity."""
    claims = Claims("https://id.example", "sub-2", verified_email=user.email)
    return _offer("fake", claims, UNKNOWN, timezone.now()).extensions["ticket"]
