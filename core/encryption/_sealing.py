import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

import orjson
from cryptography.exceptions import InvalidTag

from core.encryption._errors import TamperedError
from core.encryption._keys import Key, current_key, key_of, keys

SEPARATOR = ":"
_NONCE_BYTES = 12


def seal(text: str, *, context: str) -> str:
    """Encrypt for storage elsewhere, such as a secret in an event's payload.

    ``context`` says what the text is and whose (``"password-reset:<user id>"``); it is
    not stored, and only the same context opens it.
    """
    # A lone surrogate can't be stored in clear either; here it is refused the same way.
    return seal_bound(text.encode(), ("context", context))


def unseal(sealed: str, *, context: str) -> str:
    """Decrypt what ``seal`` made.

    :raises TamperedError: changed, or sealed for another context.
    :raises UnknownKeyError: its key is no longer among the settings.
    """
    return unseal_bound(sealed, ("context", context)).decode()


def blind_index(text: str, *, purpose: str) -> bytes:
    """Return 32 bytes to find equal texts by, without telling what they are.

    The caller normalises the text. Under a new key the value changes: store it beside
    the encrypted field in a BlindIndexField, and look up by ``blind_indexes``.
    """
    return _index(current_key(), text, purpose)


def blind_indexes(text: str, *, purpose: str) -> list[bytes]:
    """Return the index under every key, so that rows are found while keys rotate."""
    return [_index(key, text, purpose) for key in keys().values()]


def _index(key: Key, text: str, purpose: str) -> bytes:
    message = orjson.dumps([purpose, text])
    return hmac.digest(key.index, message, "sha256")


def seal_bound(content: bytes, bound_to: tuple[str, ...]) -> str:
    key = current_key()
    sealed = _encrypt(key, content, bound_to)
    return f"{key.id}{SEPARATOR}{urlsafe_b64encode(sealed).decode()}"


def unseal_bound(sealed: str, bound_to: tuple[str, ...]) -> bytes:
    key_id, separator, encoded = sealed.partition(SEPARATOR)
    if not separator:
        raise TamperedError("This isn't sealed text: it names no key.")
    key = key_of(key_id)
    try:
        raw = urlsafe_b64decode(encoded)
    except (Base64Error, ValueError) as error:
        raise _tampered(bound_to) from error
    content = _decrypt(key, raw, bound_to)
    # Base64 has several spellings of the same bytes; we write but one.
    if urlsafe_b64encode(raw).decode() != encoded:
        raise _tampered(bound_to)
    return content


def seal_bytes_bound(content: bytes, bound_to: tuple[str, ...]) -> bytes:
    """Seal for a column that holds bytes: the same, but for base64."""
    key = current_key()
    return f"{key.id}{SEPARATOR}".encode() + _encrypt(key, content, bound_to)


def unseal_bytes_bound(sealed: bytes, bound_to: tuple[str, ...]) -> bytes:
    key_id, separator, raw = sealed.partition(SEPARATOR.encode())
    if not separator:
        raise TamperedError("These aren't sealed bytes: they name no key.")
    return _decrypt(key_of(key_id.decode(errors="replace")), raw, bound_to)


def _encrypt(key: Key, content: bytes, bound_to: tuple[str, ...]) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.cipher.encrypt(nonce, content, orjson.dumps(bound_to))


def _decrypt(key: Key, raw: bytes, bound_to: tuple[str, ...]) -> bytes:
    nonce, content = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
    try:
        return key.cipher.decrypt(nonce, content, orjson.dumps(bound_to))
    except (InvalidTag, ValueError) as error:
        raise _tampered(bound_to) from error


def _tampered(bound_to: tuple[str, ...]) -> TamperedError:
    place = " ".join(bound_to)
    return TamperedError(
        f"Sealed text was changed, or was not sealed for here ({place})."
    )
