"""Access tokens: what they say, and who is calling with one."""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import (
    JWTAuthentication as SimpleJWTAuthentication,
)
from rest_framework_simplejwt.exceptions import AuthenticationFailed, TokenError
from rest_framework_simplejwt.tokens import AccessToken, Token

from accounts.auth._callers import user_of_session
from accounts.constants import ACCESS_LIFETIME
from accounts.models import Session, User
from core.exceptions import AuthenticationFailedError, PermissionDeniedError
from core.permissions import is_machine
from core.protection.principals import Principal

if TYPE_CHECKING:
    from accounts.auth._keys import Machine

SESSION_CLAIM = "sid"
# Whose quotas hold. It opens no door: permissions are asked of the database.
STAFF_CLAIM = "staff"
_LONGEST_TOKEN = 1024


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in or a refresh hands out."""

    access: str
    refresh: str
    session_id: UUID
    device_id: UUID


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
    token = request.auth
    return UUID(token[SESSION_CLAIM]) if isinstance(token, AccessToken) else None


def issue_access_token(session: Session, *, user: User, now: datetime) -> str:
    token = AccessToken()
    token["sub"] = str(user.pk)
    token[SESSION_CLAIM] = str(session.pk)
    token.set_iat(at_time=now)
    token.set_exp(from_time=now, lifetime=ACCESS_LIFETIME)
    if user.is_staff:
        token[STAFF_CLAIM] = True
    return str(token)


def principal_of_token(request: HttpRequest) -> Principal | None:
    """Return whose valid access token the request bears, without asking the database."""
    scheme, _, raw = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    # Ours are a third as long; nobody is to fill the memory below with longer ones.
    if scheme.lower() != "bearer" or not 0 < len(raw) <= _LONGEST_TOKEN:
        return None
    bearer = _bearer_of(raw)
    if bearer is None or bearer.expires_at <= time.time():
        return None
    return bearer.principal


@dataclass(frozen=True, slots=True)
class _Bearer:
    principal: Principal
    expires_at: float


# Checking a signature costs more than all the rest of counting a request.
@lru_cache(maxsize=2048)
def _bearer_of(raw: str) -> _Bearer | None:
    try:
        token = AccessToken(cast("Token", raw))
        user_id = token["sub"]
    except (TokenError, KeyError, ValueError):
        return None
    is_staff = token.get(STAFF_CLAIM) is True
    principal = Principal("user", str(user_id), "staff" if is_staff else "customer")
    return _Bearer(principal, token["exp"])


class JWTAuthentication(SimpleJWTAuthentication):
    """Simple JWT's reading of the header, with this API's sessions and problems."""

    www_authenticate_realm = "shopwright"

    def get_raw_token(self, header: bytes) -> bytes | None:
        try:
            return super().get_raw_token(header)
        except AuthenticationFailed as error:
            raise AuthenticationFailedError from error

    def get_validated_token(self, raw_token: bytes) -> Token:
        try:
            return super().get_validated_token(raw_token)
        except AuthenticationFailed as error:
            raise AuthenticationFailedError from error

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]  # the library's is a free type variable
        try:
            session_id = UUID(validated_token[SESSION_CLAIM])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise AuthenticationFailedError from error
        user = user_of_session(session_id, now=timezone.now())
        if user is None or str(user.pk) != validated_token.get("sub"):
            raise AuthenticationFailedError
        return user
