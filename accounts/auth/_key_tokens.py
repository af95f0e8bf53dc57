"""What an API key looks like: ``sw_live_<prefix>_<secret><check>``.

The check is a signature of the rest by this shop, so that a key which we never made out is
told from one of ours without asking the database.
"""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework.request import Request

_DIGITS = string.digits + string.ascii_letters
_PREFIX_DIGITS = string.digits + string.ascii_lowercase
_PREFIX_LENGTH = 12
# 43 of 62 signs: 256 bits, so that a fast hash is enough to keep it.
_SECRET_LENGTH = 43
# 64 bits.
_CHECK_LENGTH = 11
_TOKEN = re.compile(
    rf"sw_(?P<mode>live|test)_(?P<prefix>[0-9a-z]{{{_PREFIX_LENGTH}}})"
    rf"_[0-9A-Za-z]{{{_SECRET_LENGTH}}}(?P<check>[0-9A-Za-z]{{{_CHECK_LENGTH}}})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class KeyToken:
    text: str
    mode: str
    prefix: str

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def is_ours(self) -> bool:
        """Tell whether this shop made it out; it may be revoked for all that.

        A key from before a change of SECRET_KEY isn't known by its check any more.
        """
        body, check = self.text[:-_CHECK_LENGTH], self.text[-_CHECK_LENGTH:]
        keys = map(str, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
        return any(constant_time_compare(_check(body, key), check) for key in keys)


def new_key_token(mode: str, *, prefix: str = "") -> KeyToken:
    """Make a key out; with the prefix of an old one, its successor."""
    prefix = prefix or _random(_PREFIX_DIGITS, _PREFIX_LENGTH)
    return signed_key_token(mode, prefix, _random(_DIGITS, _SECRET_LENGTH))


def signed_key_token(mode: str, prefix: str, secret: str) -> KeyToken:
    body = f"sw_{mode}_{prefix}_{secret}"
    text = body + _check(body, settings.SECRET_KEY)
    if _TOKEN.fullmatch(text) is None:
        raise ValueError("The parts don't make an API key.")
    return KeyToken(text, mode, prefix)


def bears_key(request: HttpRequest | Request) -> bool:
    """Tell whether the request brings an API key, or what is left of one."""
    return _borne(request).startswith("sw_")


def key_token_of(request: HttpRequest | Request) -> KeyToken | None:
    """Return the API key that the request bears, if it is whole."""
    text = _borne(request)
    match = _TOKEN.fullmatch(text)
    return match and KeyToken(text, match["mode"], match["prefix"])


def _borne(request: HttpRequest | Request) -> str:
    scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _random(digits: str, length: int) -> str:
    return "".join(secrets.choice(digits) for _ in range(length))


def _check(body: str, secret_key: str) -> str:
    mac = salted_hmac("accounts.api_key", body, secret=secret_key, algorithm="sha256")
    number = int.from_bytes(mac.digest()[:8])
    signs = []
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        signs.append(_DIGITS[digit])
    return "".join(signs)
