from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction

from accounts.auth import Device
from accounts.constants import ActivityKind
from accounts.events import CodesGuessed, SignInsGuessed
from accounts.models import ActivityEntry, User
from accounts.services._activity import record_activity
from core.events import publish

# From so many within an hour on it is nobody who mistyped, and the owner is told once.
GUESSES = 10
# Whoever comes so far knows the password, or has a session.
GUESSES_OF_CODES = 5


@transaction.atomic
def note_failed_sign_in(*, email: str, device: Device, now: datetime) -> None:
    """Write the failure into the account's log, and tell the owner of many.

    Does the same work for an address that nobody has, and then takes it back, so that
    time doesn't tell which it was.
    """
    with connection.cursor() as cursor:
        # Waiting for the disk would take longer than not writing. A crash may lose it.
        cursor.execute("SET LOCAL synchronous_commit = off")
    address = User.objects.normalize_email(email)
    owner = User.objects.filter(email=address).only("pk").first()
    user_id = uuid4() if owner is None else owner.pk
    record_activity(
        user_id=user_id, kind=ActivityKind.SIGN_IN_FAILED, device=device, now=now
    )
    if _is_failure_number(GUESSES, user_id, ActivityKind.SIGN_IN_FAILED, now):
        publish(SignInsGuessed(user_id=user_id))
    if owner is None:
        transaction.set_rollback(True)


@transaction.atomic
def note_failed_factor(
    *, user_id: UUID, at: str, device: Device, now: datetime
) -> None:
    """Write a wrong code into the account's log, and tell the owner of several."""
    record_activity(
        user_id=user_id,
        kind=ActivityKind.FACTOR_FAILED,
        device=device,
        now=now,
        details={"at": at},
    )
    if _is_failure_number(GUESSES_OF_CODES, user_id, ActivityKind.FACTOR_FAILED, now):
        publish(CodesGuessed(user_id=user_id))


def _is_failure_number(
    number: int, user_id: UUID, kind: ActivityKind, now: datetime
) -> bool:
    """Tell whether the last one was just so many within an hour, so that it is told once."""
    failures = ActivityEntry.objects.of(user_id).filter(
        kind=kind, at__gt=now - timedelta(hours=1)
    )
    return failures[: number + 1].count() == number
