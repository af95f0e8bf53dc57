from datetime import datetime
from uuid import UUID

from accounts.models import ActivityEntry, ActivityQuerySet


def activity_of(
    *, user_id: UUID, now: datetime, kind: str | None = None
) -> ActivityQuerySet:
    entries = ActivityEntry.objects.of(user_id).kept(now=now)
    return entries if kind is None else entries.filter(kind=kind)
