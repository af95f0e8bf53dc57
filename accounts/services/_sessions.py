from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.contrib.postgres.aggregates import BoolOr
from django.db import transaction
from django.db.models import Q

from accounts.auth import Device, TokenPair, forget_user
from accounts.constants import (
    ADMIN_SESSION_LIFETIME,
    SESSION_LIFETIME,
    ActivityKind,
    EndReason,
)
from accounts.events import NewDeviceLogin
from accounts.models import Session, SessionQuerySet, User
from accounts.services._activity import record_activity
from accounts.services._refresh_tokens import pair_of, store_refresh_token
from core.events import publish

# What the list of sessions calls a browser there.
ADMINISTRATION = "Administration"


@transaction.atomic
def start_session(
    *,
    user: User,
    device: Device,
    methods: Sequence[str],
    now: datetime,
    is_by_short_password: bool = False,
) -> TokenPair:
    """Sign the user in on this device. Whether he may is ``complete_sign_in``'s to say."""
    session = _new_session(
        user,
        device,
        methods=list(methods),
        created_at=now,
        expires_at=now + SESSION_LIFETIME,
        is_by_short_password=is_by_short_password,
    )
    refresh = store_refresh_token(session, parent=None, now=now)
    return pair_of(session, user=user, refresh=refresh, now=now)


@transaction.atomic
def start_browser_session(
    *, user: User, device: Device, methods: Sequence[str], now: datetime
) -> Session:
    """Sign the user in to the administration. There are no tokens: a cookie leads to it."""
    return _new_session(
        user,
        replace(device, name=ADMINISTRATION),
        methods=list(methods),
        created_at=now,
        expires_at=now + ADMIN_SESSION_LIFETIME,
        door=Session.Door.ADMIN,
    )


def _new_session(
    user: User, device: Device, *, created_at: datetime, **columns: Any
) -> Session:
    is_known = _is_known(user, device)
    session = Session.objects.create(
        user=user,
        created_at=created_at,
        authenticated_at=created_at,
        last_seen_at=created_at,
        # Random, not a UUIDv7: it is what tells one device from another.
        device_id=device.id or uuid4(),
        device_name=device.name,
        address=device.address,
        user_agent=device.user_agent,
        **columns,
    )
    if not is_known:
        publish(NewDeviceLogin(user_id=user.pk, session_id=session.pk))
    return session


def _is_known(user: User, device: Device) -> bool:
    """Tell whether this is the first device, or one that was here before.

    A client that doesn't send its id back is known by what it calls itself and whence.
    """
    alike = Q(user_agent=device.user_agent, address=device.address)
    same = alike | Q(device_id=device.id) if device.id else alike
    seen = Session.objects.filter(user=user).aggregate(before=BoolOr(same))
    if seen["before"] is None:
        # No session is left; of who has signed in before, the old ones were removed.
        return user.last_login is None
    return bool(seen["before"])


@transaction.atomic
def end_session(
    session_id: UUID,
    *,
    user_id: UUID,
    reason: EndReason,
    device: Device | None = None,
    now: datetime,
) -> bool:
    """End one of the user's sessions; tells whether it was open until now."""
    return bool(
        _end(
            Session.objects.filter(pk=session_id, user_id=user_id),
            user_id=user_id,
            reason=reason,
            device=device,
            now=now,
        )
    )


@transaction.atomic
def end_sessions(
    *,
    user_id: UUID,
    keep: UUID | None = None,
    reason: EndReason,
    device: Device | None = None,
    now: datetime,
) -> int:
    """End all of the user's sessions but ``keep``; returns how many were open."""
    sessions = Session.objects.filter(user_id=user_id)
    return _end(
        sessions if keep is None else sessions.exclude(pk=keep),
        user_id=user_id,
        reason=reason,
        device=device,
        now=now,
    )


def _end(
    sessions: SessionQuerySet,
    *,
    user_id: UUID,
    reason: EndReason,
    device: Device | None,
    now: datetime,
) -> int:
    ended = sessions.alive(now=now).update(ended_at=now, end_reason=reason)
    if ended:
        kind = _ACTIVITY.get(reason, ActivityKind.SESSION_ENDED)
        record_activity(
            user_id=user_id,
            kind=kind,
            device=device,
            now=now,
            details={"reason": reason, "sessions": ended},
        )
    # Also without an ended one: another node may have ended it a moment ago.
    transaction.on_commit(partial(forget_user, user_id))
    return ended


_ACTIVITY = {
    EndReason.SIGNED_OUT: ActivityKind.SIGNED_OUT,
    EndReason.REFRESH_REUSED: ActivityKind.REFRESH_REUSE_DETECTED,
}
