from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from accounts.auth import Device, forget_user
from accounts.constants import ActivityKind, EndReason
from accounts.events import PasswordChanged
from accounts.models import AccountToken, User
from accounts.services._activity import record_activity
from accounts.services._links import find_link, revoke_links, send_link, use_link
from accounts.services._passwords import hash_new_password, require_password
from accounts.services._sessions import end_sessions
from accounts.services._verifying import mark_verified
from core.events import publish

Purpose = AccountToken.Purpose


def reset_password(*, token: str, password: str, device: Device, now: datetime) -> None:
    """Give the account of a mailed link another password, and end all its sessions.

    It signs nobody in: whoever has a second factor still has to show it.

    :raises InvalidTokenError:
    :raises ValidationFailedError: the password isn't good enough; the link still holds.
    """
    link = find_link(token, purpose=Purpose.RESET_PASSWORD, now=now)
    # Hashing takes its time, and no transaction waits for it.
    encoded = hash_new_password(password, user=link.user, pointer="#/password")
    with transaction.atomic():
        use_link(link, now=now)
        # Who reads the mail has the address.
        mark_verified(link.user, device=device, now=now)
        _set_password(
            link.user,
            encoded,
            keep=None,
            reason=EndReason.PASSWORD_RESET,
            kind=ActivityKind.PASSWORD_RESET,
            device=device,
            now=now,
        )


def change_password(
    *,
    user: User,
    current: str,
    password: str,
    session_id: UUID | None,
    device: Device,
    now: datetime,
) -> None:
    """Replace the password; the other sessions end, and the owner is told.

    :raises ValidationFailedError: the present one is wrong, or the new one too weak.
    """
    require_password(user, current, pointer="#/current_password")
    encoded = hash_new_password(password, user=user, pointer="#/new_password")
    with transaction.atomic():
        _set_password(
            user,
            encoded,
            keep=session_id,
            reason=EndReason.PASSWORD_CHANGED,
            kind=ActivityKind.PASSWORD_CHANGED,
            device=device,
            now=now,
        )


def start_password_reset(*, user_id: UUID, now: datetime) -> None:
    """Mail somebody a link to a new password, on behalf of staff; nobody else sees it."""
    send_link(
        User.objects.active().get(pk=user_id), purpose=Purpose.RESET_PASSWORD, now=now
    )


def _set_password(
    user: User,
    encoded: str,
    *,
    keep: UUID | None,
    reason: EndReason,
    kind: ActivityKind,
    device: Device,
    now: datetime,
) -> None:
    # The copy at hand may be seconds old; only the password is written.
    User.objects.filter(pk=user.pk).update(password=encoded, updated_at=now)
    revoke_links(user, Purpose.RESET_PASSWORD, now=now)
    end_sessions(user_id=user.pk, keep=keep, reason=reason, device=device, now=now)
    record_activity(user_id=user.pk, kind=kind, device=device, now=now)
    publish(PasswordChanged(user_id=user.pk, reason=str(reason)))
    transaction.on_commit(partial(forget_user, user.pk))
