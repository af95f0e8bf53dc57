"""The administration's own way in: a browser session, by password and code."""

from datetime import datetime

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction

from accounts.auth import Device, is_short_for_staff
from accounts.constants import ActivityKind, Method
from accounts.exceptions import InvalidCredentialsError
from accounts.models import Ceremony, User
from accounts.selectors import has_totp
from accounts.services._activity import record_activity
from accounts.services._erasure import cancel_erasure
from accounts.services._guesses import note_failed_sign_in
from accounts.services._tickets import MfaRequired, ask_for_more, prove_ticket
from core.exceptions import SecondFactorRequiredError, StaffPasswordTooShortError


def begin_admin_sign_in(
    *, email: str, password: str, device: Device, now: datetime
) -> User | MfaRequired:
    """Return the member of staff, or the question after the password.

    :raises InvalidCredentialsError: for any reason, without saying which.
    :raises SecondFactorRequiredError: the shop wants one, and there is none.
    :raises StaffPasswordTooShortError: for who has no second factor.
    """
    user = authenticate(username=email, password=password)
    # An address that nobody has proved may be anybody's, also if he was made staff.
    if not isinstance(user, User) or not (user.is_staff and user.email_verified):
        note_failed_sign_in(email=email, device=device, now=now)
        raise InvalidCredentialsError
    if has_totp(user.pk):
        return ask_for_more(
            Ceremony.Kind.ADMIN_MFA,
            user=user,
            steps=(Method.TOTP, Method.RECOVERY_CODE),
            methods=(Method.PASSWORD,),
            device=device,
            now=now,
        )
    if settings.STAFF_MFA_REQUIRED:
        raise SecondFactorRequiredError
    if is_short_for_staff(password):
        raise StaffPasswordTooShortError
    _note(user, device, [Method.PASSWORD], now)
    return user


def complete_admin_sign_in(
    *, ticket: str, code: str, device: Device, now: datetime
) -> User:
    """Return the member of staff whose code it is.

    :raises InvalidTicketError:
    :raises WrongCodeError:
    """
    user, methods = prove_ticket(
        Ceremony.Kind.ADMIN_MFA, ticket=ticket, code=code, device=device, now=now
    )
    if not user.is_staff:
        raise InvalidCredentialsError
    _note(user, device, methods, now)
    return user


@transaction.atomic
def _note(user: User, device: Device, methods: list[str], now: datetime) -> None:
    if user.erase_after is not None:
        cancel_erasure(user_id=user.pk, device=device, now=now)
    record_activity(
        user_id=user.pk,
        kind=ActivityKind.SIGNED_IN,
        device=device,
        now=now,
        details={"methods": methods, "at": "admin"},
    )
