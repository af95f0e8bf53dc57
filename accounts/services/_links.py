"""Links in mails: what they let their reader do once."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.auth import hash_secret, new_secret
from accounts.constants import LINK_LIFETIMES
from accounts.events import AccountLinkRequested
from accounts.exceptions import InvalidTokenError
from accounts.models import AccountToken, User
from accounts.selectors import AccountLink, link_of
from core.events import publish


@transaction.atomic
def send_link(
    user: User,
    *,
    purpose: AccountToken.Purpose,
    email: str = "",
    session_id: UUID | None = None,
    now: datetime,
) -> AccountToken:
    """Have a link mailed; former ones for the same purpose hold no longer."""
    revoke_links(user, purpose, now=now)
    token = AccountToken.objects.create(
        user=user,
        purpose=purpose,
        email=email or user.email,
        previous_email=user.email if email else "",
        session_id=session_id,
        created_at=now,
        expires_at=now + LINK_LIFETIMES[purpose],
    )
    publish(
        AccountLinkRequested(user_id=user.pk, token_id=token.pk, purpose=str(purpose))
    )
    return token


def revoke_links(user: User, *purposes: str, now: datetime) -> None:
    former = AccountToken.objects.filter(user=user, purpose__in=purposes, used_at=None)
    former.update(used_at=now)


def write_link(token_id: UUID) -> AccountLink | None:
    """Make the secret for a mail that is written now; None when it can't serve any more.

    Every writing makes another, so a mail that is sent a second time holds the only
    link that works.
    """
    secret = new_secret()
    unused = AccountToken.objects.filter(pk=token_id, used_at=None)
    if not unused.update(token_hash=hash_secret(secret)):
        return None
    token = AccountToken.objects.select_related("user").get(pk=token_id)
    return link_of(token, secret=secret)


def find_link(
    secret: str, *, purpose: AccountToken.Purpose, now: datetime
) -> AccountToken:
    """Return the link that the secret stands for, with its user.

    :raises InvalidTokenError: unknown, used, too old, or its account is closed.
    """
    found = AccountToken.objects.usable(now=now).filter(
        token_hash=hash_secret(secret), purpose=purpose, user__is_active=True
    )
    token = found.select_related("user").first()
    if token is None:
        raise InvalidTokenError
    return token


def use_link(token: AccountToken, *, now: datetime) -> None:
    """Spend it by one conditional UPDATE; of two at once, one gets through.

    :raises InvalidTokenError: for the other.
    """
    if not AccountToken.objects.filter(pk=token.pk, used_at=None).update(used_at=now):
        raise InvalidTokenError
