"""The administration's own way in: a browser session, never without a proof of its own.

A password, and after it whatever second factor the person has; or a passkey alone, which
is both. The ceremonies are the administration's: none of the API's opens it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction

from accounts.auth import Device, is_short_for_staff
from accounts.constants import ActivityKind, Method
from accounts.exceptions import InvalidCredentialsError, PasskeyRefusedError
from accounts.models import Ceremony, Session, User
from accounts.selectors import second_factors_of
from accounts.services._activity import record_activity
from accounts.services._erasure import cancel_erasure
from accounts.services._guesses import note_failed_sign_in
from accounts.services._passkeys import passkey_sign_in_options, prove_passkey
from accounts.services._sessions import start_browser_session
from accounts.services._tickets import (
    MfaRequired,
    ask_for_more,
    find_ticket,
    prove_ticket,
    prove_ticket_by_code,
)
from core.exceptions import SecondFactorRequiredError, StaffPasswordTooShortError

_Kind = Ceremony.Kind


@dataclass(frozen=True, slots=True)
class AdminSignedIn:
    user: User
    session: Session


def begin_admin_sign_in(
    *, email: str, password: str, device: Device, now: datetime
) -> AdminSignedIn | MfaRequired:
    """Open a session for the member of staff, or ask what follows the password.

    :raises InvalidCredentialsError: for any reason, without saying which.
    :raises SecondFactorRequiredError: the shop wants one, and there is none.
    :raises StaffPasswordTooShortError: for who has no second factor.
    """
    user = authenticate(username=email, password=password)
    # An address that nobody has proved may be anybody's, also if he was made staff.
    if not isinstance(user, User) or not (user.is_staff and user.email_verified):
        note_failed_sign_in(email=email, device=device, now=now)
        raise InvalidCredentialsError
    steps = second_factors_of(user.pk)
    if steps:
        return ask_for_more(
            _Kind.ADMIN_MFA,
            user=user,
            steps=steps,
            methods=(Method.PASSWORD,),
            device=device,
            now=now,
        )
    if settings.STAFF_MFA_REQUIRED:
        raise SecondFactorRequiredError
    if is_short_for_staff(password):
        raise StaffPasswordTooShortError
    return _let_in(user, device, [Method.PASSWORD], now)


def complete_admin_sign_in(
    *, ticket: str, code: str, device: Device, now: datetime
) -> AdminSignedIn:
    """Open a session for the member of staff whose code it is.

    :raises InvalidTicketError:
    :raises WrongCodeError:
    """
    user, methods = prove_ticket_by_code(
        _Kind.ADMIN_MFA, ticket=ticket, code=code, device=device, now=now
    )
    return _admitted(user, device, methods, now)


def complete_admin_sign_in_with_passkey(
    *, ticket: str, credential: Mapping[str, Any], device: Device, now: datetime
) -> AdminSignedIn:
    """Open a session for who gave the right password and whose passkey it is.

    :raises InvalidTicketError:
    :raises PasskeyRefusedError: without saying why.
    """

    def prove(user: User) -> Method:
        prove_passkey(
            kind=_Kind.ADMIN_MFA_PASSKEY,
            credential=credential,
            device=device,
            now=now,
            user=user,
        )
        return Method.PASSKEY

    user, methods = prove_ticket(
        _Kind.ADMIN_MFA, ticket=ticket, device=device, now=now, answer=prove
    )
    return _admitted(user, device, methods, now)


def sign_in_to_admin_with_passkey(
    *, credential: Mapping[str, Any], device: Device, now: datetime
) -> AdminSignedIn:
    """Open a session for whose passkey it is: possession and person in one.

    :raises PasskeyRefusedError: without saying why.
    """
    user = prove_passkey(
        kind=_Kind.ADMIN_SIGN_IN, credential=credential, device=device, now=now
    )
    if not user.is_staff:
        raise PasskeyRefusedError
    return _admitted(user, device, [Method.PASSKEY], now)


def admin_passkey_options(
    *, ticket: str, device: Device, now: datetime
) -> dict[str, Any]:
    """Ask for any passkey; with a ticket for one of whose password was right.

    :raises InvalidTicketError:
    """
    if not ticket:
        return passkey_sign_in_options(kind=_Kind.ADMIN_SIGN_IN, device=device, now=now)
    _, user = find_ticket(_Kind.ADMIN_MFA, ticket=ticket, device=device, now=now)
    return passkey_sign_in_options(
        kind=_Kind.ADMIN_MFA_PASSKEY, device=device, now=now, user=user
    )


def _admitted(
    user: User, device: Device, methods: Sequence[str], now: datetime
) -> AdminSignedIn:
    if not user.is_staff:
        # Not any more: the role was taken between the two steps.
        raise InvalidCredentialsError
    return _let_in(user, device, methods, now)


@transaction.atomic
def _let_in(
    user: User, device: Device, methods: Sequence[str], now: datetime
) -> AdminSignedIn:
    if user.erase_after is not None:
        cancel_erasure(user_id=user.pk, device=device, now=now)
    record_activity(
        user_id=user.pk,
        kind=ActivityKind.SIGNED_IN,
        device=device,
        now=now,
        details={"methods": list(methods), "at": "admin"},
    )
    session = start_browser_session(user=user, device=device, methods=methods, now=now)
    return AdminSignedIn(user, session)
