"""Erasing a person: asked for, undone by signing in, done when the grace is over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import QuerySet

from accounts.auth import Device, forget_user, make_undo_token, read_undo_token
from accounts.constants import ERASURE_GRACE, ActivityKind, EndReason
from accounts.events import ErasureCanceled, ErasureRequested, UserErased
from accounts.exceptions import InvalidUndoTokenError
from accounts.models import User
from accounts.selectors import person_of_user
from accounts.services._activity import record_activity
from accounts.services._admins import is_admin, require_an_admin
from accounts.services._passwords import require_password
from accounts.services._sessions import end_sessions
from core import audit, personal_data
from core.events import publish

_log = structlog.get_logger(__name__)


def leave(
    *, user: User, password: str, device: Device | None, now: datetime
) -> datetime:
    """Have one's own account erased after the grace, for who knows its password.

    :raises ValidationFailedError: the password is wrong.
    :raises LastAdminError: when nobody else could run the shop.
    """
    require_password(user, password, pointer="#/password")
    return request_erasure(user_id=user.pk, device=device, now=now)


@transaction.atomic
def request_erasure(*, user_id: UUID, device: Device | None, now: datetime) -> datetime:
    """Have the account erased after the grace, and sign it out everywhere.

    Asking again changes nothing. Returns the instant from which it may be erased.

    :raises LastAdminError: when nobody else could run the shop.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user_id)
    if user.erase_after is not None:
        return user.erase_after
    erase_after = now + ERASURE_GRACE
    User.objects.filter(pk=user_id).update(erase_after=erase_after)
    if is_admin(user):
        require_an_admin()
    record_activity(
        user_id=user_id,
        kind=ActivityKind.ERASURE_REQUESTED,
        device=device,
        now=now,
    )
    audit.record(user, "erasure_requested", actor_id=user_id)
    end_sessions(user_id=user_id, reason=EndReason.ERASED, device=device, now=now)
    publish(ErasureRequested(user_id=user_id, erase_after=erase_after))
    return erase_after


@transaction.atomic
def cancel_erasure(*, user_id: UUID, device: Device | None, now: datetime) -> bool:
    """Keep the account after all, if it isn't erased yet; says whether it was to be."""
    kept = User.objects.filter(
        pk=user_id, erase_after__isnull=False, erased_at=None
    ).update(erase_after=None)
    if kept:
        record_activity(
            user_id=user_id,
            kind=ActivityKind.ERASURE_CANCELED,
            device=device,
            now=now,
        )
        audit.record(User(pk=user_id), "erasure_canceled", actor_id=user_id)
        publish(ErasureCanceled(user_id=user_id))
    return bool(kept)


@transaction.atomic
def undo_erasure(*, token: str, now: datetime) -> None:
    """Keep the account that the mail's token is about.

    :raises InvalidUndoTokenError: it is damaged, or its erasure stands no more.
    """
    named = read_undo_token(token)
    if named is None:
        raise InvalidUndoTokenError
    user_id, erase_after = named
    is_theirs = User.objects.filter(pk=user_id, erase_after=erase_after).exists()
    if not is_theirs or not cancel_erasure(user_id=user_id, device=None, now=now):
        raise InvalidUndoTokenError


@dataclass(frozen=True, slots=True)
class ErasureNotice:
    """What undoes an erasure that was asked for."""

    email: str
    url: str


def write_erasure_notice(user_id: UUID) -> ErasureNotice | None:
    """Return the link for the mail; None when the account stays, or is gone."""
    leaving = User.objects.filter(pk=user_id, erased_at=None)
    user = leaving.only("email", "erase_after").first()
    if user is None or user.erase_after is None:
        return None
    token = make_undo_token(user.pk, user.erase_after)
    # Behind the #, where no server's log has it.
    url = f"{settings.SHOP_URL}/account/undo-erasure#token={token}"
    return ErasureNotice(email=user.email, url=url)


def erase_due(*, now: datetime, limit: int = 100) -> int:
    """Erase the people whose grace is over, each in a transaction; return how many."""
    due = User.objects.filter(erase_after__lte=now, erased_at=None)
    ids = list(due.order_by("erase_after").values_list("pk", flat=True)[:limit])
    return sum(_erase_person(user_id, now=now) for user_id in ids)


@transaction.atomic
def _erase_person(user_id: UUID, *, now: datetime) -> bool:
    # With the condition again: its owner may have signed in meanwhile.
    user = (
        User.objects.select_for_update()
        .filter(pk=user_id, erase_after__lte=now, erased_at=None)
        .first()
    )
    if user is None:
        return False
    person = person_of_user(user_id)
    if obstacle := personal_data.obstacle_to_erasing(person, now=now):
        _log.info("erasure_waits", user_id=str(user_id), because=obstacle)
        return False
    counts = personal_data.erase(person, now=now)
    audit.record(user, "person_erased", after={"rows": counts})
    publish(UserErased(user_id=user_id))
    transaction.on_commit(lambda: forget_user(user_id))
    return True


def anonymize_users(rows: QuerySet[User], now: datetime) -> None:
    """Leave of an account its id, which other rows refer to, and nothing that tells who."""
    for user in rows:
        user.groups.clear()
        user.user_permissions.clear()
        rows.filter(pk=user.pk).update(**_nobody(user.pk), erased_at=now)


def _nobody(user_id: UUID) -> dict[str, Any]:
    blank = {
        column.attname: column.get_default()
        for column in User._meta.concrete_fields  # noqa: SLF001 -- Django's public API
        if column.name not in _KEPT_COLUMNS
    }
    return blank | {
        "email": f"erased-{user_id}@invalid",
        "password": make_password(None),
        "is_active": False,
        "erase_after": None,
    }


# Every other column goes back to its default: one that is added is erased unasked.
_KEPT_COLUMNS = frozenset({"id", "created_at", "updated_at", "erased_at"})
