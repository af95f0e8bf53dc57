"""Requests about an address, taken in the same way whether or not it is known."""

from datetime import datetime
from uuid import UUID

import orjson
from django.db import transaction

from accounts.events import AccountRequested
from accounts.models import AccountRequest, User
from accounts.services._passwords import hash_new_password
from core.events import publish

Kind = AccountRequest.Kind


def request_registration(
    *, email: str, password: str, name: str, locale: str, now: datetime
) -> None:
    """Take a registration; a worker makes the account, or writes to who has it.

    :raises ValidationFailedError: when the password isn't good enough for anybody.
    """
    address = User.objects.normalize_email(email)
    applicant = User(email=address, name=name)
    encoded = hash_new_password(password, user=applicant, pointer="#/password")
    _ask(
        Kind.REGISTER,
        now=now,
        email=address,
        password=encoded,
        name=name,
        locale=locale,
    )


def request_verification(*, email: str, now: datetime, can_wait: bool = False) -> None:
    _ask(
        Kind.RESEND_VERIFICATION,
        now=now,
        can_wait=can_wait,
        email=User.objects.normalize_email(email),
    )


def request_reset(*, email: str, now: datetime) -> None:
    _ask(Kind.RESET_PASSWORD, now=now, email=User.objects.normalize_email(email))


def ask_for_change_of_email(
    *, user: User, email: str, session_id: UUID | None, now: datetime
) -> None:
    _ask(
        Kind.CHANGE_EMAIL,
        now=now,
        email=User.objects.normalize_email(email),
        user_id=str(user.pk),
        session_id=str(session_id or ""),
    )


@transaction.atomic
def _ask(kind: Kind, *, now: datetime, can_wait: bool = False, **payload: str) -> None:
    request = AccountRequest.objects.create(
        kind=kind, payload=orjson.dumps(payload).decode(), created_at=now
    )
    publish(AccountRequested(request_id=request.pk), can_wait=can_wait)
