"""The way back for who has lost the phone, and with it every second factor."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.constants import ActivityKind, EndReason
from accounts.events import FactorsReset
from accounts.exceptions import NoSecondFactorError, UserNotFoundError
from accounts.models import Passkey, RecoveryCode, TotpDevice, User
from accounts.services._activity import record_activity
from accounts.services._sessions import end_sessions
from accounts.services._staff import managed_user
from core import audit
from core.events import publish


@transaction.atomic
def reset_second_factors(*, user_id: UUID, actor: User, now: datetime) -> None:
    """Remove a person's app, recovery codes and passkeys, on behalf of staff.

    All sessions end and the owner is told. What is left is what the factors were set up
    with: the password, which staff can't set, and the mailbox.

    :raises UserNotFoundError:
    :raises OutrankedError: when the person may do what ``actor`` may not.
    :raises NoSecondFactorError:
    """
    _reset(managed_user(user_id, actor), actor=actor, now=now)


@transaction.atomic
def reset_second_factors_by_hand(*, email: str, now: datetime) -> None:
    """Do it for whom nobody is left to do it: the last admin, from the server's shell.

    :raises UserNotFoundError:
    :raises NoSecondFactorError:
    """
    people = User.objects.get_queryset().select_for_update(no_key=True)
    user = people.filter(email=User.objects.normalize_email(email)).first()
    if user is None:
        raise UserNotFoundError
    _reset(user, actor=None, now=now)


def _reset(user: User, *, actor: User | None, now: datetime) -> None:
    apps, _ = TotpDevice.objects.confirmed().filter(user=user).delete()
    passkeys, _ = Passkey.objects.filter(user=user).delete()
    if not apps and not passkeys:
        raise NoSecondFactorError
    RecoveryCode.objects.filter(user=user).delete()
    lost = {"authenticator_apps": apps, "passkeys": passkeys}
    audit.record(
        user,
        "second_factors_reset",
        before=lost,
        actor_id=None if actor is None else actor.pk,
    )
    record_activity(
        user_id=user.pk,
        kind=ActivityKind.FACTORS_RESET,
        device=None,
        now=now,
        details={"by": "staff", **lost},
    )
    end_sessions(user_id=user.pk, reason=EndReason.FACTORS_RESET, now=now)
    publish(FactorsReset(user_id=user.pk))
