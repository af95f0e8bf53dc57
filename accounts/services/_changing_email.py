from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.auth import Device, forget_user
from accounts.constants import ActivityKind, EndReason
from accounts.events import EmailChanged
from accounts.exceptions import InvalidTokenError
from accounts.models import AccountToken, User
from accounts.services._activity import record_activity
from accounts.services._asking import ask_for_change_of_email
from accounts.services._links import find_link, revoke_links, use_link
from accounts.services._passwords import require_password
from accounts.services._sessions import end_sessions
from core.events import publish

Purpose = AccountToken.Purpose


def request_email_change(
    *, user: User, email: str, current: str, session_id: UUID | None, now: datetime
) -> None:
    """Mail a link to the new address; until it is followed nothing changes.

    Does the same for an address that somebody else has: only he is written to.

    :raises ValidationFailedError: the password is wrong.
    """
    require_password(user, current, pointer="#/current_password")
    ask_for_change_of_email(user=user, email=email, session_id=session_id, now=now)


def confirm_email_change(*, token: str, device: Device, now: datetime) -> None:
    """Move the account to the address of the link, and tell the old one.

    :raises InvalidTokenError: also when somebody has taken the address meanwhile.
    """
    link = find_link(token, purpose=Purpose.CHANGE_EMAIL, now=now)
    if link.previous_email != link.user.email:
        raise InvalidTokenError
    try:
        _move(link, device=device, now=now)
    except IntegrityError as error:
        raise InvalidTokenError from error


@transaction.atomic
def _move(link: AccountToken, *, device: Device, now: datetime) -> None:
    use_link(link, now=now)
    user = link.user
    User.objects.filter(pk=user.pk).update(
        email=link.email, email_verified_at=now, updated_at=now
    )
    # Links that were mailed to the old address must not outlive it.
    revoke_links(user, *Purpose, now=now)
    end_sessions(
        user_id=user.pk,
        keep=link.session_id,
        reason=EndReason.EMAIL_CHANGED,
        device=device,
        now=now,
    )
    record_activity(
        user_id=user.pk, kind=ActivityKind.EMAIL_CHANGED, device=device, now=now
    )
    publish(EmailChanged(user_id=user.pk, token_id=link.pk))
    transaction.on_commit(partial(forget_user, user.pk))
