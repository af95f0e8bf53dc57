from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from accounts.auth import Device
from accounts.constants import (
    ACTIVITY_DETAILS_MAX_BYTES,
    STRANGERS_ACTIVITY,
    STRANGERS_ACTIVITY_PER_HOUR,
    ActivityKind,
)
from accounts.models import ActivityEntry

NO_DEVICE = Device()


def record_activity(
    *,
    user_id: UUID,
    kind: ActivityKind,
    device: Device | None,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write into the owner's log what happened, in the caller's transaction.

    ``details`` are a few words for the owner, never a secret. What strangers can cause
    is left out once there was plenty of it within the hour, so that nobody can bury
    the rest.
    """
    if kind in STRANGERS_ACTIVITY and is_plenty(user_id, kind, now):
        return
    add_activity(user_id=user_id, kind=kind, device=device, now=now, details=details)


def add_activity(
    *,
    user_id: UUID,
    kind: ActivityKind,
    device: Device | None,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write it down however much of it there is already."""
    shown = dict(details or {})
    if len(orjson.dumps(shown)) > ACTIVITY_DETAILS_MAX_BYTES:
        raise ValueError(f"The details of {kind} are too long for an entry.")
    device = device or NO_DEVICE
    ActivityEntry.objects.create(
        user_id=user_id,
        kind=kind,
        at=now,
        address=device.address[:45],
        device_name=device.name[:100],
        user_agent=device.user_agent[:300],
        details=shown,
    )


def is_plenty(user_id: UUID, kind: ActivityKind, now: datetime) -> bool:
    recent = ActivityEntry.objects.of(user_id).filter(
        kind=kind, at__gt=now - timedelta(hours=1)
    )
    return recent[:STRANGERS_ACTIVITY_PER_HOUR].count() == STRANGERS_ACTIVITY_PER_HOUR


@transaction.atomic
def remove_outdated_activity(*, now: datetime, limit: int = 10_000) -> int:
    """Delete entries past their time, and return how many."""
    outdated = ActivityEntry.objects.outdated(now=now).order_by("at")
    return _remove(list(outdated.values_list("pk", flat=True)[:limit]))


@transaction.atomic
def erase_activity(*, user_id: UUID) -> int:
    """Delete one person's whole log, as the law on erasure asks."""
    return _remove(list(ActivityEntry.objects.of(user_id).values_list("pk", flat=True)))


def _remove(entry_ids: list[UUID]) -> int:
    if not entry_ids:
        return 0
    with connection.cursor() as cursor:
        # The trigger lets nobody delete who doesn't say this; it ends with us.
        cursor.execute("SELECT set_config('shopwright.removes_activity', 'on', true)")
        count, _ = ActivityEntry.objects.filter(pk__in=entry_ids).delete()
        cursor.execute("SELECT set_config('shopwright.removes_activity', '', true)")
    return count
