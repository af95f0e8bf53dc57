from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction

from accounts.auth import Device
from accounts.constants import ActivityKind
from accounts.events import CodesGuessed, SignInsGuessed
from accounts.models import ActivityEntry, User
from accounts.services._activity import add_activity, is_plenty, record_activity
from accounts.services._asking import request_verification
from core.events import publish

# From so many within an hour on it is nobody who mistyped, and the owner is told once.
GUESSES = 10
# Whoever comes so far knows the password, or has a session.
GUESSES_OF_CODES = 5


@transaction.atomic
def note_failed_sign_in(
    *, email: str, device: Device, now: datetime, is_only_unverified: bool = False
) -> None:
    """Write the failure into the account's log, and tell the owner of many.

    Where the password was right and only the address isn't verified, it is no failure,
    and a new link is mailed. All of it is done for every address, and what doesn't
    concern it is taken back: time doesn't tell which it was. Otherwise whoever registers
    an address could see by signing in whether it had been somebody's already.
    """
    with connection.cursor() as cursor:
        # Waiting for the disk would take longer than not writing. A crash may lose it.
        cursor.execute("SET LOCAL synchronous_commit = off")
    address = User.objects.normalize_email(email)
    owner = User.objects.filter(email=address).only("pk").first()
    user_id = uuid4() if owner is None else owner.pk
    is_failure = owner is not None and not is_only_unverified
    has_room = not is_plenty(user_id, ActivityKind.SIGN_IN_FAILED, now)
    with _kept_if(is_failure and has_room):
        add_activity(
            user_id=user_id, kind=ActivityKind.SIGN_IN_FAILED, device=device, now=now
        )
    # One that isn't kept is not counted either.
    is_many = _is_failure_number(GUESSES, user_id, ActivityKind.SIGN_IN_FAILED, now)
    with _kept_if(is_failure and has_room and is_many):
        publish(SignInsGuessed(user_id=user_id), can_wait=True)
    with _kept_if(is_only_unverified):
        request_verification(email=address, now=now, can_wait=True)


@contextmanager
def _kept_if(is_kept: bool) -> Iterator[None]:  # noqa: FBT001 -- reads as a sentence
    """Do it in any case, and leave it only if it is to be kept.

    Either way it ends by one statement, where ``atomic`` takes two to take it back. What
    was to be done at the commit is not taken back.
    """
    savepoint = transaction.savepoint()
    yield
    end = transaction.savepoint_commit if is_kept else transaction.savepoint_rollback
    end(savepoint)


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
