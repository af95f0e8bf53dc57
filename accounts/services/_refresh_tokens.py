from datetime import datetime

from accounts.auth import (
    TokenPair,
    hash_secret,
    issue_access_token,
    new_secret,
    open_under,
    seal_under,
)
from accounts.constants import REFRESH_GRACE, REFRESH_IDLE
from accounts.models import RefreshToken, Session, User
from accounts.services._signing_keys import signing_key


def store_refresh_token(
    session: Session, *, parent: RefreshToken | None, now: datetime, secret: str = ""
) -> str:
    """Add a link to the session's chain and return the token, of which no copy stays."""
    secret = secret or new_secret()
    RefreshToken.objects.create(
        session=session,
        parent=parent,
        token_hash=hash_secret(secret),
        issued_at=now,
        expires_at=min(now + REFRESH_IDLE, session.expires_at),
    )
    return secret


def find_refresh_token(secret: str) -> RefreshToken | None:
    return (
        RefreshToken.objects.select_related("session__user")
        .filter(token_hash=hash_secret(secret))
        .first()
    )


def exchange_token(token: RefreshToken, secret: str, *, now: datetime) -> str | None:
    """Claim an unused token and return its successor; None if it is used already.

    One conditional UPDATE decides: of any number at once, one gets a successor.
    """
    successor = new_secret()
    claimed = RefreshToken.objects.filter(pk=token.pk, used_at=None).update(
        used_at=now, sealed_successor=seal_under(secret, successor)
    )
    if not claimed:
        return None
    store_refresh_token(token.session, parent=token, now=now, secret=successor)
    if token.parent_id is not None:
        # Whoever exchanges this one has received it: its parent's seal has served.
        parent = RefreshToken.objects.filter(pk=token.parent_id)
        parent.update(sealed_successor=b"")
    return successor


def repeat_successor(token: RefreshToken, secret: str, *, now: datetime) -> str | None:
    """Return what a used token was exchanged for, while that may be asked again.

    That is: a moment ago, and the successor hasn't been used itself.
    """
    token.refresh_from_db(fields=["used_at", "sealed_successor"])
    if token.used_at is None or now - token.used_at > REFRESH_GRACE:
        return None
    if not RefreshToken.objects.filter(parent=token, used_at=None).exists():
        return None
    return open_under(secret, bytes(token.sealed_successor))


def pair_of(session: Session, *, user: User, refresh: str, now: datetime) -> TokenPair:
    return TokenPair(
        access=issue_access_token(
            session, user=user, key=signing_key(now=now), now=now
        ),
        refresh=refresh,
        session_id=session.pk,
        device_id=session.device_id,
    )
