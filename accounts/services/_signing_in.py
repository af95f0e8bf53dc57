from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import authenticate
from django.db import transaction

from accounts.auth import Device, TokenPair, make_ticket, read_ticket
from accounts.constants import (
    SECOND_FACTORS,
    TICKET_LIFETIME,
    ActivityKind,
    Method,
)
from accounts.exceptions import (
    InvalidCredentialsError,
    InvalidTicketError,
    WrongCodeError,
)
from accounts.models import Ceremony, User
from accounts.selectors import second_steps
from accounts.services._activity import record_activity
from accounts.services._ceremonies import open_ceremony, spend_ceremony, take_attempt
from accounts.services._erasure import cancel_erasure
from accounts.services._guesses import note_failed_sign_in
from accounts.services._passkeys import prove_passkey
from accounts.services._sessions import start_session
from accounts.services._totp import spend_code


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    tokens: TokenPair


@dataclass(frozen=True, slots=True)
class MfaRequired:
    """The first proof was right, and the person has a second one to give."""

    ticket: str
    methods: tuple[str, ...]


def sign_in(
    *, email: str, password: str, device: Device, now: datetime
) -> SignedIn | MfaRequired:
    """Exchange an address and a password for tokens, or for the question after them.

    Takes as long for an unknown address as for a wrong password: Django hashes either
    way, and the account's state is looked at only after that.

    :raises InvalidCredentialsError: for any reason, without saying which.
    """
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        note_failed_sign_in(email=email, device=device, now=now)
        raise InvalidCredentialsError
    return complete_sign_in(
        user=user, device=device, methods=(Method.PASSWORD,), now=now
    )


def complete_sign_in(
    *, user: User, device: Device, methods: Sequence[str], now: datetime
) -> SignedIn | MfaRequired:
    """Open a session for who has given a first proof, or ask for the second.

    The only door to a session; ``complete_mfa`` is its other half.
    """
    steps = () if SECOND_FACTORS.intersection(methods) else second_steps(user)
    if steps:
        return _ask_for_more(user, steps, device, methods, now)
    return _open_session(user, device, methods, now)


def complete_mfa(*, ticket: str, code: str, device: Device, now: datetime) -> SignedIn:
    """Exchange a ticket and a code for tokens.

    :raises InvalidTicketError: forged, old, used, another device's, or tried too often.
    :raises WrongCodeError: the ticket holds for another try.
    """
    user_id, ceremony_id = read_ticket(ticket) or (None, None)
    if user_id is None or ceremony_id is None:
        raise InvalidTicketError
    ceremony = take_attempt(
        ceremony_id, kind=Ceremony.Kind.MFA, user_id=user_id, device=device, now=now
    )
    if ceremony is None:
        raise InvalidTicketError
    method = spend_code(user_id=user_id, code=code, device=device, now=now)
    if method is None:
        _note_wrong_code(user_id, device, now)
        raise WrongCodeError
    user = User.objects.active().filter(pk=user_id).first()
    if user is None or not spend_ceremony(ceremony, device=device, now=now):
        raise InvalidTicketError
    return _open_session(user, device, [*ceremony.payload["methods"], method], now)


def sign_in_with_passkey(
    *, credential: Mapping[str, Any], device: Device, now: datetime
) -> SignedIn:
    """Exchange a passkey's answer for tokens: possession and person in one.

    :raises PasskeyRefusedError: without saying why.
    """
    user = prove_passkey(credential=credential, device=device, now=now)
    return _open_session(user, device, (Method.PASSKEY,), now)


def _ask_for_more(
    user: User,
    steps: Sequence[Method],
    device: Device,
    methods: Sequence[str],
    now: datetime,
) -> MfaRequired:
    ceremony = open_ceremony(
        kind=Ceremony.Kind.MFA,
        user_id=user.pk,
        device=device,
        now=now,
        lifetime=TICKET_LIFETIME,
        payload={"methods": list(methods)},
    )
    ticket = make_ticket(user_id=user.pk, ceremony_id=ceremony.pk)
    return MfaRequired(ticket=ticket, methods=tuple(steps))


@transaction.atomic
def _open_session(
    user: User, device: Device, methods: Sequence[str], now: datetime
) -> SignedIn:
    if user.erase_after is not None:
        cancel_erasure(user_id=user.pk, device=device, now=now)
    tokens = start_session(user=user, device=device, methods=methods, now=now)
    User.objects.filter(pk=user.pk).update(last_login=now)
    record_activity(
        user_id=user.pk,
        kind=ActivityKind.SIGNED_IN,
        device=device,
        now=now,
        details={"methods": list(methods)},
    )
    return SignedIn(user=user, tokens=tokens)


@transaction.atomic
def _note_wrong_code(user_id: UUID, device: Device, now: datetime) -> None:
    record_activity(
        user_id=user_id,
        kind=ActivityKind.FACTOR_FAILED,
        device=device,
        now=now,
        details={"at": "sign_in"},
    )
