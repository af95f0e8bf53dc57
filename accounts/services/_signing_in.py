from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import authenticate
from django.db import transaction

from accounts.auth import Device, TokenPair, is_short_for_staff
from accounts.constants import SECOND_FACTORS, ActivityKind, Method
from accounts.exceptions import InvalidCredentialsError
from accounts.models import Ceremony, User
from accounts.selectors import second_steps
from accounts.services._activity import record_activity
from accounts.services._erasure import cancel_erasure
from accounts.services._guesses import note_failed_sign_in
from accounts.services._passkeys import prove_passkey
from accounts.services._sessions import start_session
from accounts.services._tickets import MfaRequired, ask_for_more, prove_ticket_by_code


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    tokens: TokenPair


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
    if not user.email_verified:
        # Says no more than a wrong password does; the mail says the rest.
        note_failed_sign_in(
            email=email, device=device, now=now, is_only_unverified=True
        )
        raise InvalidCredentialsError
    return complete_sign_in(
        user=user,
        device=device,
        methods=(Method.PASSWORD,),
        now=now,
        is_by_short_password=is_short_for_staff(password),
    )


def complete_sign_in(
    *,
    user: User,
    device: Device,
    methods: Sequence[str],
    now: datetime,
    is_by_short_password: bool = False,
) -> SignedIn | MfaRequired:
    """Open a session for who has given a first proof, or ask for the second.

    The only door to a session; ``complete_mfa`` is its other half.
    """
    steps = () if SECOND_FACTORS.intersection(methods) else second_steps(user)
    if steps:
        return ask_for_more(
            Ceremony.Kind.MFA,
            user=user,
            steps=steps,
            methods=methods,
            device=device,
            now=now,
        )
    return _open_session(
        user, device, methods, now, is_by_short_password=is_by_short_password
    )


def complete_mfa(*, ticket: str, code: str, device: Device, now: datetime) -> SignedIn:
    """Exchange a ticket and a code for tokens.

    :raises InvalidTicketError: forged, old, used, another device's, or tried too often.
    :raises WrongCodeError: the ticket holds for another try.
    """
    user, methods = prove_ticket_by_code(
        Ceremony.Kind.MFA, ticket=ticket, code=code, device=device, now=now
    )
    return _open_session(user, device, methods, now)


def sign_in_with_passkey(
    *, credential: Mapping[str, Any], device: Device, now: datetime
) -> SignedIn:
    """Exchange a passkey's answer for tokens: possession and person in one.

    :raises PasskeyRefusedError: without saying why.
    """
    user = prove_passkey(
        kind=Ceremony.Kind.PASSKEY_SIGN_IN,
        credential=credential,
        device=device,
        now=now,
    )
    return _open_session(user, device, (Method.PASSKEY,), now)


@transaction.atomic
def _open_session(
    user: User,
    device: Device,
    methods: Sequence[str],
    now: datetime,
    *,
    is_by_short_password: bool = False,
) -> SignedIn:
    if user.erase_after is not None:
        cancel_erasure(user_id=user.pk, device=device, now=now)
    tokens = start_session(
        user=user,
        device=device,
        methods=methods,
        now=now,
        is_by_short_password=is_by_short_password,
    )
    User.objects.filter(pk=user.pk).update(last_login=now)
    record_activity(
        user_id=user.pk,
        kind=ActivityKind.SIGNED_IN,
        device=device,
        now=now,
        details={"methods": list(methods)},
    )
    return SignedIn(user=user, tokens=tokens)
