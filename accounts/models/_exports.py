from datetime import datetime
from typing import Self

from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q

from accounts.models._users import User
from core.encryption import EncryptedTextField
from core.ids import uuid7


def private_storage() -> Storage:
    """Return the storage that no URL leads to."""
    return storages["private"]


class ExportQuerySet(models.QuerySet["Export"]):
    def open(self) -> Self:
        return self.filter(status__in=[Export.Status.QUEUED, Export.Status.RUNNING])

    def free(self, *, now: datetime) -> Self:
        """Those that no worker is at."""
        return self.open().filter(Q(lease_until=None) | Q(lease_until__lte=now))

    def over(self, *, before: datetime) -> Self:
        ended = self.filter(status__in=[Export.Status.FAILED, Export.Status.EXPIRED])
        return ended.filter(created_at__lt=before)

    def outdated(self, *, now: datetime) -> Self:
        return self.filter(status=Export.Status.READY, expires_at__lte=now)


class Export(models.Model):
    """Everything on one person, on its way into a ZIP file that is kept for a while."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"

    TRANSITIONS = {
        Status.QUEUED: {Status.RUNNING},
        Status.RUNNING: {Status.READY, Status.FAILED},
        Status.READY: {Status.EXPIRED},
        Status.FAILED: set(),
        Status.EXPIRED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    parts_done = models.PositiveSmallIntegerField(default=0)
    parts_total = models.PositiveSmallIntegerField(default=0)
    file = models.FileField(upload_to="exports/", storage=private_storage, blank=True)
    # The file rests encrypted under a key of its own. Whoever loses the row has lost it.
    file_key = EncryptedTextField(null=True, blank=True, editable=False)
    # The worker that holds the token works on it, until the lease ends.
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="accounts_export_one_open_per_user",
                fields=["user"],
                condition=Q(status__in=["queued", "running"]),
            ),
            models.CheckConstraint(
                name="accounts_export_ready_has_a_file",
                condition=~Q(status="ready")
                | ~Q(file="") & Q(expires_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="accounts_export_of_user", fields=["user", "-created_at"])
        ]

    def __str__(self) -> str:
        return f"Export {self.id} {self.status}"

    @property
    def seal_context(self) -> str:
        """What the file is sealed for: it opens as this export's alone."""
        return f"accounts_export:{self.id}"
