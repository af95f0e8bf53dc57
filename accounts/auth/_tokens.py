"""Who is calling with an access token."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from accounts.auth._callers import user_of_session
from accounts.auth._jwt import read_token, write_token
from accounts.auth._signing_keys import Key, key_ring
from accounts.models import Session, User
from core.exceptions import AuthenticationFailedError, PermissionDeniedError
from core.permissions import is_machine
from core.protection.principals import Principal

if TYPE_CHECKING:
    from accounts.auth._keys import Machine

SCHEME = "bearer"
# Ours are half as long; nobody is to fill the memory of checked ones with longer ones.
_LONGEST_TOKEN = 1024


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in or a refresh hands out."""

    access: str
    refresh: str
    session_id: UUID
    device_id: UUID


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says; ``request.auth`` of who calls with one."""

    user_id: UUID
    session_id: UUID
    # Whose quotas hold. It opens no door: permissions are asked of the database.
    is_staff: bool


def current_user(request: Request) -> User:
    """Return the signed-in user, for views that let nobody else in.

    :raises PermissionDeniedError: for a machine.
    """
    if is_machine(request.user):
        raise PermissionDeniedError("This is for people; an API key is nobody.")
    if not isinstance(request.user, User):
        raise TypeError("The view admits anonymous callers; it has no current user.")
    return request.user


def person_of(request: Request) -> User | None:
    """Return the signed-in user; None for a machine, and for nobody."""
    return request.user if isinstance(request.user, User) else None


def actor_id_of(request: Request) -> UUID:
    """Return who acts: the id of a user, or of the API key that a machine has."""
    user = cast("User | Machine", request.user)
    return user.pk


def current_session_id(request: Request) -> UUID | None:
    """Return the session behind the request; None for whoever calls without one."""
    claims = request.auth
    return claims.session_id if isinstance(claims, AccessClaims) else None


def issue_access_token(session: Session, *, user: User, key: Key, now: datetime) -> str:
    claims: dict[str, str | bool] = {"sub": str(user.pk), "sid": str(session.pk)}
    if user.is_staff:
        claims["staff"] = True
    return write_token(claims, key=key, now=now)


def principal_of_token(request: HttpRequest) -> Principal | None:
    """Return whose valid access token the request bears, without asking for its user."""
    header = request.META.get("HTTP_AUTHORIZATION")
    raw = None if header is None else _token_in(header)
    try:
        claims = None if raw is None else _read(raw)
    except (TokenError, DatabaseError):
        # The database is asked for keys only, and rarely. Without it: a stranger.
        return None
    if claims is None:
        return None
    role = "staff" if claims.is_staff else "customer"
    return Principal("user", str(claims.user_id), role)


class JWTAuthentication(BaseAuthentication):
    """Admit who sends an access token of ours whose session is open."""

    def authenticate(self, request: Request) -> tuple[User, AccessClaims] | None:
        header = get_authorization_header(request).decode("latin-1")
        scheme, _, _ = header.partition(" ")
        if scheme.lower() != SCHEME:
            return None
        raw = _token_in(header)
        if raw is None:
            raise AuthenticationFailedError
        # What this process knows of the keys is seconds old: a leaked one opens nothing.
        key_ring.refresh()
        try:
            claims = _read(raw)
        except TokenError as error:
            raise AuthenticationFailedError from error
        user = user_of_session(claims.session_id, now=timezone.now())
        if user is None or user.pk != claims.user_id:
            raise AuthenticationFailedError
        return user, claims

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 -- DRF's signature
        return 'Bearer realm="shopwright"'


def _token_in(header: str) -> str | None:
    scheme, _, raw = header.partition(" ")
    if scheme.lower() != SCHEME or not 0 < len(raw) <= _LONGEST_TOKEN:
        return None
    return raw


def _read(raw: str) -> AccessClaims:
    claims = read_token(raw)
    try:
        return AccessClaims(
            user_id=_uuid(claims["sub"]),
            session_id=_uuid(claims["sid"]),
            is_staff=claims.get("staff") is True,
        )
    except ValueError as error:
        raise TokenError("The claims aren't ours.") from error


def _uuid(text: Any) -> UUID:
    return UUID(text if isinstance(text, str) else "")
