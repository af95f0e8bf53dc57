"""What mails about accounts show."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from accounts.models import AccountToken, Session, User


@dataclass(frozen=True, slots=True)
class AccountLink:
    """A link to be followed once."""

    email: str
    url: str
    expires_at: datetime
    # Nobody has a password for the account: it is chosen after the link was followed.
    has_password: bool


@dataclass(frozen=True, slots=True)
class SessionNotice:
    """Where somebody signed in, or refreshed."""

    email: str
    device_name: str
    user_agent: str
    address: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AccountNotice:
    email: str


@dataclass(frozen=True, slots=True)
class EmailChange:
    """``email`` is the address that was left, where the notice goes."""

    email: str
    new_email: str


_PAGES = {
    "verify_email": "verify-email",
    "reset_password": "reset-password",
    "change_email": "confirm-email",
}


def link_of(token: AccountToken, *, secret: str) -> AccountLink:
    """Return the shop front's page, with the secret where no server's log has it."""
    return AccountLink(
        email=token.email,
        url=f"{settings.SHOP_URL}/account/{_PAGES[token.purpose]}#token={secret}",
        expires_at=token.expires_at,
        has_password=token.user.has_usable_password(),
    )


def get_session_notice(session_id: UUID) -> SessionNotice | None:
    session = Session.objects.select_related("user").filter(pk=session_id).first()
    if session is None:
        return None
    return SessionNotice(
        email=session.user.email,
        device_name=session.device_name,
        user_agent=session.user_agent,
        address=session.address,
        at=session.created_at,
    )


def get_account_notice(user_id: UUID) -> AccountNotice | None:
    email = User.objects.filter(pk=user_id).values_list("email", flat=True).first()
    return None if email is None else AccountNotice(email)


def get_email_change(token_id: UUID) -> EmailChange | None:
    token = AccountToken.objects.filter(pk=token_id).first()
    return None if token is None else EmailChange(token.previous_email, token.email)
