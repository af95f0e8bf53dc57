"""Who is behind a session, remembered for a moment so that most requests ask nobody.

What is remembered is at most ``SESSION_CACHE_SECONDS`` old, counted from before it was
read: whatever ends a session, closes an account or changes roles holds on every node
after that time at the latest, and at once on the node that did it.
"""

import copy
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from uuid import UUID

from django.conf import settings

from accounts.constants import SECOND_FACTORS, SEEN_EVERY
from accounts.models import Session, User
from core.errors import DomainError
from core.exceptions import SecondFactorRequiredError, StaffPasswordTooShortError

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class _Caller:
    user: User
    expires_at: datetime
    until: float


_callers: dict[UUID, _Caller] = {}


def user_of_session(session_id: UUID, *, now: datetime) -> User | None:
    """Return whose session it is, as long as it and the account are open.

    Every call answers an object of its own; what it learns of permissions is shared
    with the next ones (see ``RoleBackend``).
    """
    caller = _callers.get(session_id)
    if caller is None or caller.until <= monotonic():
        caller = _look_up(session_id, now=now)
    if caller is None or caller.expires_at <= now:
        return None
    return copy.copy(caller.user)


def _look_up(session_id: UUID, *, now: datetime) -> _Caller | None:
    asked_at = monotonic()
    session = (
        Session.objects.alive(now=now)
        .select_related("user")
        .filter(pk=session_id, user__is_active=True)
        .first()
    )
    if session is None:
        _callers.pop(session_id, None)
        return None
    if now - session.last_seen_at >= SEEN_EVERY:
        # With the condition again: of many requests at once, one writes.
        stale = Session.objects.filter(pk=session.pk, last_seen_at=session.last_seen_at)
        stale.update(last_seen_at=now)
    session.user.permission_memo = {}
    if session.user.is_staff and (reason := _shortcoming_of(session)):
        session.user.hold_back(reason)
    caller = _Caller(
        user=session.user,
        expires_at=session.expires_at,
        until=asked_at + settings.SESSION_CACHE_SECONDS,
    )
    if settings.SESSION_CACHE_SECONDS:
        _remember(session_id, caller)
    return caller


def _shortcoming_of(session: Session) -> type[DomainError] | None:
    """Return what this sign-in lacks to do staff's work."""
    if SECOND_FACTORS.intersection(session.methods):
        return None
    if settings.STAFF_MFA_REQUIRED:
        return SecondFactorRequiredError
    # Whoever becomes staff, or gives up his second factor, keeps the password he has.
    return StaffPasswordTooShortError if session.is_by_short_password else None


def _remember(session_id: UUID, caller: _Caller) -> None:
    if len(_callers) >= _MOST:
        now = monotonic()
        for known, one in list(_callers.items()):
            if one.until <= now:
                _callers.pop(known, None)
    if len(_callers) < _MOST:
        _callers[session_id] = caller


def forget_session(session_id: UUID) -> None:
    _callers.pop(session_id, None)


def forget_user(user_id: UUID) -> None:
    """Have this process look the user up anew; the others do within seconds."""
    for session_id, caller in list(_callers.items()):
        if caller.user.pk == user_id:
            _callers.pop(session_id, None)
