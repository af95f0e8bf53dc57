from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.auth import Device, TokenPair
from accounts.constants import EndReason
from accounts.events import RefreshReuseDetected
from accounts.exceptions import InvalidRefreshTokenError
from accounts.models import Session
from accounts.services._refresh_tokens import (
    exchange_token,
    find_refresh_token,
    pair_of,
    repeat_successor,
)
from accounts.services._sessions import end_session
from core.events import publish


@dataclass(frozen=True, slots=True)
class _Reuse:
    session: Session


def refresh_session(*, refresh: str, device: Device, now: datetime) -> TokenPair:
    """Exchange a refresh token for a new pair: once, but for a moment's grace.

    Within ``REFRESH_GRACE`` the token that was exchanged last brings the same successor
    again, so that two requests at once, or a lost answer, sign nobody out. Any other
    token that was exchanged before is in two hands: the session ends for both.

    :raises InvalidRefreshTokenError:
    """
    outcome = _exchange(refresh, device=device, now=now)
    if isinstance(outcome, _Reuse):
        # In a transaction of its own, which the refusal does not undo.
        _end_for_reuse(outcome.session, device=device, now=now)
        raise InvalidRefreshTokenError
    return outcome


@transaction.atomic
def _exchange(refresh: str, *, device: Device, now: datetime) -> TokenPair | _Reuse:
    token = find_refresh_token(refresh)
    if token is None:
        raise InvalidRefreshTokenError
    session, user = token.session, token.session.user
    if not session.is_alive(now=now) or not user.is_active:
        raise InvalidRefreshTokenError
    if token.used_at is None and token.expires_at <= now:
        raise InvalidRefreshTokenError

    successor = exchange_token(token, refresh, now=now)
    if successor is not None:
        _see(session, device=device, now=now)
    else:
        successor = repeat_successor(token, refresh, now=now)
    if successor is None:
        return _Reuse(session)
    return pair_of(session, user=user, refresh=successor, now=now)


def _see(session: Session, *, device: Device, now: datetime) -> None:
    Session.objects.filter(pk=session.pk).update(
        last_seen_at=now, address=device.address, user_agent=device.user_agent
    )


@transaction.atomic
def _end_for_reuse(session: Session, *, device: Device, now: datetime) -> None:
    is_ours = end_session(
        session.pk,
        user_id=session.user_id,
        reason=EndReason.REFRESH_REUSED,
        device=device,
        now=now,
    )
    # Others with the same token end nothing any more, and tell nobody twice.
    if is_ours:
        publish(RefreshReuseDetected(user_id=session.user_id, session_id=session.pk))
