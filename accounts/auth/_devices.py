"""What a request says about the device that it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest
from rest_framework.request import Request

from core.protection.addresses import client_of

DEVICE_HEADER = "Device-ID"
NAME_MAX_LENGTH = 100
USER_AGENT_MAX_LENGTH = 300
_META = f"HTTP_{DEVICE_HEADER.upper().replace('-', '_')}"
# Nobody is to have us sign longer ones.
_TOKEN_MAX_LENGTH = 512
_SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Device:
    """Where a person signs in from.

    ``id`` is the one that a sign-in gave to this device and that it has sent back; None
    where it sent none of ours. The name is whatever the client calls itself.
    """

    name: str = ""
    address: str = ""
    user_agent: str = ""
    id: UUID | None = None


def device_of(request: HttpRequest | Request, *, name: str = "") -> Device:
    """Describe the device of a request; browsers' pages keep its id in a cookie."""
    address = client_of(request).address
    return Device(
        name=_plain(name)[:NAME_MAX_LENGTH],
        address="" if address is None else str(address),
        user_agent=_plain(request.META.get("HTTP_USER_AGENT", ""))[
            :USER_AGENT_MAX_LENGTH
        ],
        id=_read(request)[0],
    )


def device_token(device_id: UUID, accounts: Sequence[str] = ()) -> str:
    """Return what a device sends back to be known again; signed, so it can't be made up.

    ``accounts`` are keys of those that have signed in on the device.
    """
    return _signer().sign(_SEPARATOR.join([device_id.hex, *accounts]))


def accounts_known_to(request: HttpRequest | Request) -> tuple[str, ...]:
    """Return the keys of the accounts that the device has proof of, latest first."""
    return _read(request)[1]


def _read(request: HttpRequest | Request) -> tuple[UUID | None, tuple[str, ...]]:
    token = request.META.get(_META) or request.COOKIES.get(
        settings.DEVICE_COOKIE_NAME, ""
    )
    if not 0 < len(token) <= _TOKEN_MAX_LENGTH:
        return None, ()
    try:
        device_id, *accounts = _signer().unsign(token).split(_SEPARATOR)
        return UUID(device_id), tuple(accounts)
    except (BadSignature, ValueError):
        return None, ()


def _signer() -> Signer:
    return Signer(salt="accounts.device")


def _plain(text: str) -> str:
    """Drop what PostgreSQL, a mail or a log line could not hold."""
    readable = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(sign for sign in readable if sign.isprintable())
