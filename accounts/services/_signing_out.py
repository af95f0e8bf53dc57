from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.auth import Device
from accounts.constants import EndReason
from accounts.services._refresh_tokens import find_refresh_token
from accounts.services._sessions import end_session, end_sessions
from core.exceptions import NotFoundError


@transaction.atomic
def sign_out(
    *,
    user_id: UUID,
    session_id: UUID | None,
    refresh: str = "",
    device: Device,
    now: datetime,
) -> None:
    """End the caller's session, and the one of a refresh token that is his as well."""
    ending = {session_id} if session_id else set()
    if refresh and (named := find_refresh_token(refresh)):
        ending.add(named.session_id)
    for one in ending:
        end_session(
            one, user_id=user_id, reason=EndReason.SIGNED_OUT, device=device, now=now
        )


def sign_device_out(
    session_id: UUID,
    *,
    user_id: UUID,
    current: UUID | None,
    device: Device,
    now: datetime,
) -> None:
    """End one of the user's sessions.

    :raises NotFoundError: for another's, and for one that is over.
    """
    is_own = session_id == current
    reason = EndReason.SIGNED_OUT if is_own else EndReason.ENDED_ELSEWHERE
    if not end_session(
        session_id, user_id=user_id, reason=reason, device=device, now=now
    ):
        raise NotFoundError


def sign_out_elsewhere(
    *, user_id: UUID, keep: UUID | None, device: Device, now: datetime
) -> int:
    return end_sessions(
        user_id=user_id,
        keep=keep,
        reason=EndReason.ENDED_ELSEWHERE,
        device=device,
        now=now,
    )
