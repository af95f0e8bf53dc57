from datetime import datetime
from typing import Self
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from accounts.models._users import User
from core.ids import uuid7


class ActivityQuerySet(models.QuerySet["ActivityEntry"]):
    def of(self, user_id: UUID) -> Self:
        return self.filter(user_id=user_id)

    def kept(self, *, now: datetime) -> Self:
        return self.filter(at__gt=now - settings.RETENTION["activity"])

    def outdated(self, *, now: datetime) -> Self:
        return self.filter(at__lte=now - settings.RETENTION["activity"])


class ActivityEntry(models.Model):
    """What happened to somebody's account. Written once; only retention removes it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # The code may learn new kinds at any time, so the table doesn't list them.
    kind = models.CharField(max_length=40)
    at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True, default="")
    device_name = models.CharField(max_length=100, blank=True, default="")
    user_agent = models.CharField(max_length=300, blank=True, default="")
    details = models.JSONField(default=dict, blank=True)

    objects = ActivityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "activity entries"
        indexes = [
            models.Index(
                name="accounts_activity_of_user", fields=["user", "-at", "-id"]
            ),
            # Entries come in the order of time: retention reads the oldest blocks only.
            BrinIndex(name="accounts_activity_age", fields=["at"], autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id}"
