"""Who is calling: tokens, and the user of a request."""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import cast

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import (
    JWTAuthentication as SimpleJWTAuthentication,
)
from rest_framework_simplejwt.exceptions import AuthenticationFailed, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.constants import SESSION_LIFETIME
from accounts.exceptions import InvalidRefreshTokenError
from accounts.models import User
from core.exceptions import AuthenticationFailedError
from core.protection.principals import Principal

# When the person last proved who they are; it survives every refresh.
SIGNED_IN_AT_CLAIM = "auth_time"
# Whose quotas hold. It opens no door: permissions are asked of the database.
STAFF_CLAIM = "staff"
_LONGEST_TOKEN = 1024


@dataclass(frozen=True, slots=True)
class TokenPair:
    access: str
    refresh: str


def current_user(request: Request) -> User:
    """Return the signed-in user, for views that let nobody else in."""
    if not isinstance(request.user, User):
        raise TypeError("The view admits anonymous callers; it has no current user.")
    return request.user


def issue_tokens(user: User, *, signed_in_at: datetime) -> TokenPair:
    refresh = RefreshToken.for_user(user)
    refresh[SIGNED_IN_AT_CLAIM] = int(signed_in_at.timestamp())
    if user.is_staff:
        refresh[STAFF_CLAIM] = True
    return TokenPair(access=str(refresh.access_token), refresh=str(refresh))


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
        user_id = token[api_settings.USER_ID_CLAIM]
    except (TokenError, KeyError, ValueError):
        return None
    is_staff = token.get(STAFF_CLAIM) is True
    principal = Principal("user", str(user_id), "staff" if is_staff else "customer")
    return _Bearer(principal, token["exp"])


def read_refresh_token(text: str, *, now: datetime) -> tuple[str, datetime]:
    """Return whose token it is and when that person signed in.

    :raises InvalidRefreshTokenError: also when the session is past its whole length.
    """
    try:
        token = RefreshToken(cast("Token", text))
        user_id = token[api_settings.USER_ID_CLAIM]
        signed_in_at = datetime.fromtimestamp(token[SIGNED_IN_AT_CLAIM], tz=now.tzinfo)
    except (TokenError, KeyError) as error:
        raise InvalidRefreshTokenError from error
    if now - signed_in_at >= SESSION_LIFETIME:
        raise InvalidRefreshTokenError
    return str(user_id), signed_in_at


class JWTAuthentication(SimpleJWTAuthentication):
    """Simple JWT's reading of the header, with this API's problem documents."""

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

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]  # always ours
        try:
            return cast("User", super().get_user(validated_token))
        except (AuthenticationFailed, ValidationError) as error:
            raise AuthenticationFailedError from error
