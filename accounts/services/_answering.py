"""What a worker does about the requests of ``_asking``, where nobody measures it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts.auth import forget_user
from accounts.constants import STRANGERS_MAILS_PER_HOUR, ActivityKind, Role
from accounts.events import (
    AccountExists,
    UserRegistered,
)
from accounts.models import AccountRequest, AccountToken, ActivityEntry, User
from accounts.services._activity import record_activity
from accounts.services._links import send_link
from accounts.services._people import assign_roles
from core.events import publish

Kind = AccountRequest.Kind
Purpose = AccountToken.Purpose


@transaction.atomic
def answer_request(*, request_id: UUID, now: datetime) -> None:
    """Do what was asked, once: the request goes with it."""
    request = AccountRequest.objects.select_for_update().filter(pk=request_id).first()
    if request is None:
        return
    payload: dict[str, str] = orjson.loads(request.payload or "{}")
    owner = User.objects.select_for_update().filter(email=payload["email"]).first()
    match Kind(request.kind):
        case Kind.REGISTER:
            _register(payload, owner, now=now)
        case Kind.RESEND_VERIFICATION:
            _verify_again(owner, now=now)
        case Kind.RESET_PASSWORD:
            _reset(owner, now=now)
        case Kind.CHANGE_EMAIL:
            _change_email(payload, owner, now=now)
    request.delete()


def _register(payload: Mapping[str, str], owner: User | None, *, now: datetime) -> None:
    if owner is None:
        owner = User.objects.create(
            email=payload["email"],
            password=payload["password"],
            name=payload["name"],
            locale=payload["locale"],
        )
        assign_roles(user_id=owner.pk, roles=[Role.CUSTOMER])
        record_activity(
            user_id=owner.pk, kind=ActivityKind.REGISTERED, device=None, now=now
        )
        publish(UserRegistered(user_id=owner.pk))
    elif owner.email_verified:
        _tell_owner(owner, now=now)
        return
    else:
        # Two have chosen a password for one address, and only one of them reads its
        # mail: neither gets in by his, and the reader chooses anew.
        owner.password = make_password(None)
        owner.save(update_fields=["password", "updated_at"])
        forget_user(owner.pk)
    _verify_again(owner, now=now)


def _verify_again(owner: User | None, *, now: datetime) -> None:
    if owner is None or not owner.is_active or owner.email_verified:
        return
    if not _is_plenty(owner, Purpose.VERIFY_EMAIL, now):
        send_link(owner, purpose=Purpose.VERIFY_EMAIL, now=now)


def _reset(owner: User | None, *, now: datetime) -> None:
    if owner is None or not owner.is_active:
        return
    record_activity(
        user_id=owner.pk,
        kind=ActivityKind.PASSWORD_RESET_REQUESTED,
        device=None,
        now=now,
    )
    send_link(owner, purpose=Purpose.RESET_PASSWORD, now=now)


def _change_email(
    payload: Mapping[str, str], owner: User | None, *, now: datetime
) -> None:
    if owner is not None:
        _tell_owner(owner, now=now)
        return
    user = User.objects.active().filter(pk=payload["user_id"]).first()
    if user is not None and not _is_plenty(user, Purpose.CHANGE_EMAIL, now):
        send_link(
            user,
            purpose=Purpose.CHANGE_EMAIL,
            email=payload["email"],
            session_id=UUID(payload["session_id"]) if payload["session_id"] else None,
            now=now,
        )


def _tell_owner(owner: User, *, now: datetime) -> None:
    """Write to who has the address already; who asked learns nothing."""
    if not owner.is_active:
        return
    claims = ActivityEntry.objects.of(owner.pk).filter(
        kind=ActivityKind.ADDRESS_CLAIMED, at__gt=now - timedelta(hours=1)
    )
    if claims[:STRANGERS_MAILS_PER_HOUR].count() < STRANGERS_MAILS_PER_HOUR:
        publish(AccountExists(user_id=owner.pk))
    record_activity(
        user_id=owner.pk, kind=ActivityKind.ADDRESS_CLAIMED, device=None, now=now
    )


def _is_plenty(user: User, purpose: str, now: datetime) -> bool:
    """Tell whether so many links went out within the hour that one more is no help."""
    recent = AccountToken.objects.filter(
        user=user, purpose=purpose, created_at__gt=now - timedelta(hours=1)
    )
    return recent[:STRANGERS_MAILS_PER_HOUR].count() == STRANGERS_MAILS_PER_HOUR
