"""Secrets that we hand out and keep no copy of."""

import hashlib
import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECRET_BYTES = 32
_NONCE_BYTES = 12


def new_secret() -> str:
    """Make 256 random bits, in letters that need no escaping in a link."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> bytes:
    """Return what is kept of a secret. Nobody guesses 256 bits, so one round will do."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def seal_under(secret: str, text: str) -> bytes:
    """Encrypt so that only who brings the secret can read it again."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_key_of(secret)).encrypt(nonce, text.encode(), None)


def open_under(secret: str, sealed: bytes) -> str | None:
    """Return the text, or None where the secret isn't the one it was sealed under."""
    nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(_key_of(secret)).decrypt(nonce, rest, None).decode()
    except (InvalidTag, ValueError):
        return None


def _key_of(secret: str) -> bytes:
    # Unlike the stored hash, or the database would hold the key beside the seal.
    return hashlib.blake2b(
        secret.encode("utf-8", "surrogatepass"), digest_size=32, person=b"seal_under"
    ).digest()
