"""Machines that call with an API key."""

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.auth._key_tokens import KeyToken, bears_key, key_token_of
from accounts.constants import is_grantable
from accounts.models import ApiKey
from core.exceptions import AuthenticationFailedError
from core.protection.principals import Principal

_MOST_REMEMBERED = 10_000
UNKNOWN = "There is no such API key."


@dataclass(frozen=True, slots=True)
class Machine:
    """The caller behind an API key: ``request.user`` where people are a ``User``."""

    pk: UUID
    name: str
    scopes: frozenset[str]

    is_machine = True
    is_authenticated = True
    is_active = True
    is_anonymous = False
    is_staff = False
    is_superuser = False

    @property
    def id(self) -> UUID:
        return self.pk

    def has_perm(self, permission: str, obj: object = None) -> bool:  # noqa: ARG002 -- Django's signature
        return permission in self.scopes and is_grantable(permission)

    def has_perms(self, permissions: Collection[str], obj: object = None) -> bool:
        return all(self.has_perm(permission, obj) for permission in permissions)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database said about a key, and until when that may be believed."""

    read_at: float
    machine: Machine | None
    refusal: str = ""
    ends_at: datetime | None = None


class KeyMemory:
    """What this process has just read about keys, good and bad.

    Every process forgets by itself within API_KEY_MEMORY_SECONDS, so a revocation holds
    everywhere by then, without a message that could be lost.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> _Known | None:
        known = self._known.get(digest)
        if known is None:
            return None
        age = time.monotonic() - known.read_at
        return known if age < settings.API_KEY_MEMORY_SECONDS else None

    def put(self, digest: bytes, known: _Known) -> None:
        with self._lock:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = known

    def clear(self) -> None:
        with self._lock:
            self._known.clear()


key_memory = KeyMemory()


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer sw_live_…``. Stands before the one for people's tokens."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        if not bears_key(request):
            return None
        token = key_token_of(request)
        if token is None:
            raise AuthenticationFailedError("That is not a whole API key.")
        return machine_of(token, now=timezone.now()), None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 -- DRF's signature
        return 'Bearer realm="shopwright"'


def principal_of_key(request: HttpRequest) -> Principal | None:
    """Return which key the request bears, without asking the database.

    A signature of ours proves the key. One from before a change of SECRET_KEY is known
    once it was let in.
    """
    # Most callers bring nothing, and are asked twice.
    token = key_token_of(request) if "HTTP_AUTHORIZATION" in request.META else None
    if token is None:
        return None
    if not token.is_ours:
        known = key_memory.get(token.digest)
        if known is None or known.machine is None:
            return None
    return principal_of_prefix(token.prefix)


def principal_of_prefix(prefix: str) -> Principal:
    return Principal("key", prefix, "key")


def machine_of(token: KeyToken, *, now: datetime) -> Machine:
    """Let a key in.

    :raises AuthenticationFailedError: and says why only to who has the whole key.
    """
    digest = token.digest
    known = key_memory.get(digest)
    if known is None:
        known = _read(token, digest, now)
        key_memory.put(digest, known)
    if known.machine is None:
        raise AuthenticationFailedError(known.refusal)
    if known.ends_at is not None and known.ends_at <= now:
        raise AuthenticationFailedError("The API key has expired.")
    return known.machine


def _read(token: KeyToken, digest: bytes, now: datetime) -> _Known:
    read_at = time.monotonic()
    key = ApiKey.objects.filter(prefix=token.prefix).first()
    ends_at = None if key is None else _end_of(key, digest)
    if key is None or ends_at is None:
        return _Known(read_at, None, UNKNOWN)
    if token.mode != settings.API_KEY_MODE:
        text = f"This shop takes {settings.API_KEY_MODE} keys, not {token.mode} ones."
        return _Known(read_at, None, text)
    if key.revoked_at is not None:
        return _Known(read_at, None, "The API key was revoked.")
    if ends_at <= now:
        return _Known(read_at, None, "The API key has expired.")
    if key.is_use_unnoted(now=now):
        ApiKey.objects.filter(pk=key.pk).unnoted(now=now).update(last_used_at=now)
    machine = Machine(key.pk, key.name, frozenset(key.scopes))
    return _Known(read_at, machine, ends_at=ends_at)


def _end_of(key: ApiKey, digest: bytes) -> datetime | None:
    """Return until when the secret holds; None for one that isn't the key's."""
    if constant_time_compare(bytes(key.secret_hash), digest):
        return key.expires_at
    if key.previous_hash and constant_time_compare(bytes(key.previous_hash), digest):
        return min(key.expires_at, key.previous_valid_until or key.expires_at)
    return None
