from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from accounts.constants import Method
from accounts.models import Identity, Passkey, Session, TotpDevice, User


def has_totp(user_id: UUID) -> bool:
    return TotpDevice.objects.confirmed().filter(user_id=user_id).exists()


def second_steps(user: User) -> tuple[Method, ...]:
    """Name what a first proof of this person must be followed by; empty: nothing.

    An authenticator app asks for itself. A passkey alone is a choice, not a second step,
    except for staff who have to have one.
    """
    with_app = has_totp(user.pk) if user.has_app is None else user.has_app
    is_bound = settings.STAFF_MFA_REQUIRED and user.is_staff
    if not with_app and not is_bound:
        return ()
    return _steps(user.pk, with_app=with_app)


def second_factors_of(user_id: UUID) -> tuple[Method, ...]:
    """Name every second factor that the person has; empty: none."""
    return _steps(user_id, with_app=has_totp(user_id))


def step_up_methods(user: User) -> tuple[Method, ...]:
    """Name what proves again that it is this person; empty: only a new sign-in."""
    with_app = has_totp(user.pk)
    found = _steps(user.pk, with_app=with_app)
    # With an app, a password that was stolen along with the session proves nothing.
    if not with_app and user.has_usable_password():
        found = (Method.PASSWORD, *found)
    return found


def passkeys_of(user: User) -> QuerySet[Passkey]:
    return Passkey.objects.filter(user=user).order_by("created_at", "id")


def identities_of(user: User) -> QuerySet[Identity]:
    return Identity.objects.filter(user=user).order_by("created_at", "id")


def is_recently_proven(session_id: UUID | None, *, now: datetime) -> bool:
    if session_id is None:
        return False
    session = Session.objects.filter(pk=session_id).only("authenticated_at").first()
    if session is None:
        return False
    return (now - session.authenticated_at).total_seconds() < settings.STEP_UP_SECONDS


def _steps(user_id: UUID, *, with_app: bool) -> tuple[Method, ...]:
    found: tuple[Method, ...] = ()
    if with_app:
        found = (Method.TOTP, Method.RECOVERY_CODE)
    if Passkey.objects.filter(user_id=user_id).exists():
        found = (*found, Method.PASSKEY)
    return found
