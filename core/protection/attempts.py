"""Whom a request wants to sign in as, and whether from a device where that went well before.

``settings.RATE_LIMIT_ATTEMPT`` names the function that reads it out of a request. It runs
before the view, so it must not query the database, and must have checked the device's
proof.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True)
class Attempt:
    """``account`` is unreadable, see ``account_key``; ``device`` is empty if unknown."""

    account: str
    device: str = ""

    @property
    def owner(self) -> str:
        """Name whose quota it draws on: guesses from elsewhere don't slow a known device."""
        if self.device:
            return f"device:{self.account}:{self.device}"
        return f"account:{self.account}"


Resolver = Callable[[HttpRequest], Attempt | None]


def account_key(name: str) -> str:
    """Turn what names an account into a key that tells nobody which it is."""
    text = name.strip().casefold().encode(errors="replace")
    return blake2b(
        text, digest_size=12, key=settings.SECRET_KEY.encode()[:64]
    ).hexdigest()


@lru_cache(maxsize=2)
def _resolver(name: str) -> Resolver:
    resolver: Resolver = import_string(name)
    return resolver


def attempt_of(request: HttpRequest) -> Attempt | None:
    return _resolver(settings.RATE_LIMIT_ATTEMPT)(request)
