"""Whom a form would sign in, and the proof that a device has signed that account in before.

The proof is signed, so that it costs no query; it opens nothing. It spares its device the
delay that wrong guesses from elsewhere put on the account.
"""

from typing import Any
from uuid import UUID

import orjson
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.auth._devices import accounts_known_to, device_of, device_token
from accounts.auth._tickets import user_of_ticket
from accounts.models import User
from core.protection.attempts import Attempt, account_key

# A household shares a tablet; more accounts than these are no household. Each has two
# keys: by its address, as a form names it, and by its id, as a ticket does.
_MOST_KEYS = 8
# A form to sign in is small; of larger ones there are few, whoever they are about.
_MOST_FORM_BYTES = 65_536

_OF_PAGES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def attempt_of(request: HttpRequest) -> Attempt | None:
    """Return the account that the request's form names.

    A form that can't be read counts as one about nobody, and all of those share a quota:
    whatever the view may still make of it, nobody guesses by it. None for a ticket that
    isn't ours, which opens nothing.
    """
    return attempt_at(request, _named_account(request))


def attempt_at(request: HttpRequest, name: str | None) -> Attempt | None:
    """Return the attempt at an account, named by its address or its id; None: at none."""
    if name is None:
        return None
    account = account_key(User.objects.normalize_email(name))
    device_id = device_of(request).id
    if device_id is None or account not in accounts_known_to(request):
        return Attempt(account)
    return Attempt(account, device_id.hex)


def proof_of_device(request: HttpRequest | Request, device_id: UUID, user: User) -> str:
    """Say that the user has signed in on the device; who did before stays known there."""
    own = [account_key(user.email), account_key(str(user.pk))]
    others = [key for key in accounts_known_to(request) if key not in own]
    return device_token(device_id, [*own, *others][:_MOST_KEYS])


def _named_account(request: HttpRequest) -> str | None:
    given, member = _form_of(request)
    ticket = given.get("ticket")
    if isinstance(ticket, str) and ticket:
        return user_of_ticket(ticket)
    name = given.get(member)
    return name if isinstance(name, str) else ""


def _form_of(request: HttpRequest) -> tuple[Any, str]:
    """Return the form, and which of its members the view will take for the account.

    That one and no other: whoever adds a second name must not choose which is counted.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > _MOST_FORM_BYTES:
        return {}, ""
    if request.content_type in _OF_PAGES:
        return request.POST, "username"
    try:
        given = orjson.loads(request.body)
    except ValueError:
        return {}, ""
    return given if isinstance(given, dict) else {}, "email"
