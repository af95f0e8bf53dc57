"""Simple JWT behind one door: how an access token is written, and when it is believed."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import jwt
from django.conf import settings
from django.utils import timezone
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.tokens import AccessToken, Token

from accounts.auth._signing_keys import Key, key_ring
from accounts.constants import ACCESS_LIFETIME, CLOCK_LEEWAY

ISSUER = "shopwright"
AUDIENCE = "shopwright-api"
_CLAIMS = ("iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "token_type")
# Anything else in a header (jku, jwk, x5u, crit) would have us look elsewhere for trust.
_HEADER = frozenset({"alg", "kid", "typ"})
_KID = re.compile(r"[0-9a-f]{32}")


class _KeyedBackend(TokenBackend):
    """Simple JWT's backend for one key of ours, asking for every claim."""

    def __init__(self, key: Key) -> None:
        super().__init__(key.algorithm, issuer=ISSUER, audience=AUDIENCE)
        self.leeway = CLOCK_LEEWAY
        self._key = key

    def encode(self, payload: dict[str, Any]) -> str:
        return jwt.encode(
            payload | {"iss": ISSUER, "aud": AUDIENCE},
            self._key.signing,
            algorithm=self._key.algorithm,
            headers={"kid": self._key.kid},
        )

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 -- the library's signature
        try:
            return jwt.decode(
                token,
                self._key.verifying,
                algorithms=[self._key.algorithm],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=CLOCK_LEEWAY,
                options={
                    "require": list(_CLAIMS),
                    "strict_aud": True,
                    "verify_signature": verify,
                },
            )
        except jwt.InvalidTokenError as error:
            raise TokenBackendError(str(error)) from error


class _SessionToken(AccessToken):
    """Simple JWT's access token, whose keys come from our ring."""

    lifetime = ACCESS_LIFETIME

    def __init__(self, backend: _KeyedBackend, token: Token | None = None) -> None:
        self._token_backend = backend
        super().__init__(token)


def write_token(claims: dict[str, str | bool], *, key: Key, now: datetime) -> str:
    token = _SessionToken(_KeyedBackend(key))
    token.set_iat(at_time=now)
    token.set_iat("nbf", at_time=now)
    token.set_exp(from_time=now)
    token.payload.update(claims)
    return str(token)


def read_token(raw: str) -> dict[str, Any]:
    """Return the claims of a token that is believed.

    :raises TokenError: for whatever is wrong with it.
    """
    claims = _believed(raw, key_ring.generation)
    # Remembered or not: time goes on.
    if claims["exp"] + CLOCK_LEEWAY.total_seconds() <= timezone.now().timestamp():
        raise TokenError("The token has expired.")
    return claims


# A signature costs more than all the rest of a request's authentication. What is not
# believed is raised, and so not remembered.
@lru_cache(maxsize=4096)
def _believed(raw: str, generation: int) -> dict[str, Any]:  # noqa: ARG001 -- forgets when keys change
    key = key_ring.find(_kid_of(raw), now=timezone.now())
    if key is None:
        raise TokenError("No such key.")
    return dict(_SessionToken(_KeyedBackend(key), cast("Token", raw)).payload)


def _kid_of(raw: str) -> str:
    try:
        header = jwt.get_unverified_header(raw)
    except jwt.InvalidTokenError as error:
        raise TokenError(str(error)) from error
    if not header.keys() <= _HEADER or header.get("alg") != settings.TOKEN_ALGORITHM:
        raise TokenError("The header asks for what we don't do.")
    kid = header.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise TokenError("The header names no key of ours.")
    return kid
