"""The keys, as ``FIELD_ENCRYPTION_KEYS`` names them: ``id:base64`` each, commas between."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.encryption._errors import UnknownKeyError

KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SETTING = "FIELD_ENCRYPTION_KEYS"


class Key:
    """One entry. Sealing and indexing use keys derived from it, never one key for both."""

    def __init__(self, key_id: str, material: bytes) -> None:
        self.id = key_id
        self.cipher = AESGCM(_derive(material, b"shopwright seal"))
        self.index = _derive(material, b"shopwright blind index")


def keys() -> dict[str, Key]:
    """Return the keys by id: the first encrypts, all decrypt.

    :raises ImproperlyConfigured: naming the entry that is wrong.
    """
    return _parse(settings.FIELD_ENCRYPTION_KEYS)


def current_key() -> Key:
    return next(iter(keys().values()))


def key_of(key_id: str) -> Key:
    try:
        return keys()[key_id]
    except KeyError:
        raise UnknownKeyError(key_id) from None


@lru_cache(maxsize=8)
def _parse(text: str) -> dict[str, Key]:
    found: dict[str, Key] = {}
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        raise ImproperlyConfigured(f"{_SETTING} must name a key, as id:base64.")
    for place, entry in enumerate(entries, start=1):
        key_id, colon, encoded = entry.partition(":")
        # Never the entry itself in a message: it is a secret.
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ImproperlyConfigured(
                f"{_SETTING}, entry {place}: must look like id:base64, with an id of letters, digits, - and _."
            )
        if key_id in found:
            raise ImproperlyConfigured(f"{_SETTING} names the key {key_id!r} twice.")
        found[key_id] = Key(key_id, _material(key_id, encoded))
    return found


def _material(key_id: str, encoded: str) -> bytes:
    try:
        material = b64decode(encoded, validate=True)
    except Base64Error as error:
        message = f"{_SETTING}: the key {key_id!r} isn't base64."
        raise ImproperlyConfigured(message) from error
    if len(material) != KEY_BYTES:
        raise ImproperlyConfigured(
            f"{_SETTING}: the key {key_id!r} has {len(material)} bytes, not {KEY_BYTES}."
        )
    return material


def _derive(material: bytes, purpose: bytes) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose)
    return hkdf.derive(material)
