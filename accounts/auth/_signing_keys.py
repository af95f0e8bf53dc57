"""The keys of access tokens, in memory: which one signs, and which are believed."""

import logging
import os
import threading
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from accounts.models import SigningKey
from core.protection.keeper import keeper

_SECRET_BYTES = 64
# A token may name a key that was made a moment ago; asking for it is bounded.
_ASKED_AGAIN_AFTER = 1.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    kid: str
    algorithm: str
    signing: Any = field(repr=False)
    verifying: Any = field(repr=False)
    signs_from: datetime
    verifies_until: datetime | None


def new_key_secret(algorithm: str) -> str:
    """Make what a ``SigningKey`` of this algorithm keeps."""
    if algorithm == "HS256":
        return b64encode(os.urandom(_SECRET_BYTES)).decode()
    return b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def key_from(row: SigningKey) -> Key:
    raw = b64decode(row.secret or "")
    signing: Any = raw
    verifying: Any = raw
    if row.algorithm == "EdDSA":
        signing = Ed25519PrivateKey.from_private_bytes(raw)
        verifying = signing.public_key()
    return Key(
        kid=row.kid,
        algorithm=row.algorithm,
        signing=signing,
        verifying=verifying,
        signs_from=row.signs_from,
        verifies_until=row.verifies_until,
    )


class KeyRing:
    """What this process knows of the table. ``generation`` changes with what it knows.

    Only keys of the one allowed algorithm are in it, so no other can be asked for.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._keys: dict[str, Key] = {}
        self._loaded_at = 0.0
        self._lock = threading.Lock()

    def find(self, kid: str, *, now: datetime) -> Key | None:
        """Return the key that verifies tokens which name it."""
        key = self._keys.get(kid)
        if key is None and self._may_ask_again():
            self.load()
            key = self._keys.get(kid)
        if key is None or (key.verifies_until and key.verifies_until <= now):
            return None
        return key

    def signing(self, *, now: datetime) -> Key | None:
        """Return the newest key whose time to sign has come; None while there is none."""
        self.refresh()
        ready = [key for key in self._keys.values() if key.signs_from <= now]
        return max(ready, key=lambda key: key.signs_from, default=None)

    def refresh(self) -> None:
        """Read the table again if what is known of it is too old to be believed.

        :raises DatabaseError: it can't be read, and nothing is to be believed.
        """
        age = monotonic() - self._loaded_at
        if not self._keys or age >= settings.SIGNING_KEYS_REFRESH_SECONDS:
            self.load()

    def keep_fresh(self) -> None:
        """Read the table again ahead of time, so that no request has to."""
        if not self._keys:
            return
        try:
            self.load()
        except (DatabaseError, InterfaceError):
            _logger.warning("Signing keys can't be read; requests have to try.")

    def load(self) -> None:
        # What changes while it is read may have been missed.
        asked_at = monotonic()
        rows = SigningKey.objects.filter(algorithm=settings.TOKEN_ALGORITHM)
        known = {row.kid: key_from(row) for row in rows}
        with self._lock:
            if asked_at < self._loaded_at:
                # Another thread has asked since, and knows better.
                return
            if known.keys() != self._keys.keys() or any(
                known[kid].verifies_until != key.verifies_until
                for kid, key in self._keys.items()
            ):
                self.generation += 1
                self._keys = known
            self._loaded_at = asked_at

    def forget(self) -> None:
        with self._lock:
            self.generation += 1
            self._keys = {}
            self._loaded_at = 0.0

    def _may_ask_again(self) -> bool:
        age = monotonic() - self._loaded_at
        return not self._keys or age >= _ASKED_AGAIN_AFTER


key_ring = KeyRing()
keeper.add(key_ring.keep_fresh)
