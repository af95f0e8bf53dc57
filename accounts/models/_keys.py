from datetime import datetime, timedelta
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models._users import User
from core.ids import uuid7

# So often at most a busy key's row is written.
USE_NOTED_EVERY = timedelta(minutes=1)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def active(self, *, now: datetime) -> Self:
        return self.filter(revoked_at=None, expires_at__gt=now)

    def expired(self, *, now: datetime) -> Self:
        return self.filter(revoked_at=None, expires_at__lte=now)

    def revoked(self) -> Self:
        return self.exclude(revoked_at=None)

    def unnoted(self, *, now: datetime) -> Self:
        return self.filter(
            Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
        )


class ApiKey(models.Model):
    """Lets a machine in. The secret itself is stored nowhere."""

    class Mode(models.TextChoices):
        LIVE = "live"
        TEST = "test"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(
        max_length=100, help_text="What it is for: ERP, price import, …"
    )
    mode = models.CharField(max_length=4, choices=Mode)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    secret_hash = models.BinaryField(max_length=32)
    # The secret before the last rotation, until its holder has the new one.
    previous_hash = models.BinaryField(max_length=32, null=True)
    previous_valid_until = models.DateTimeField(null=True, blank=True)
    scopes = ArrayField(models.CharField(max_length=150))
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                name="accounts_apikey_previous_has_an_end",
                condition=Q(previous_hash=None, previous_valid_until=None)
                | Q(previous_hash__isnull=False, previous_valid_until__isnull=False),
            ),
            models.CheckConstraint(
                name="accounts_apikey_ends_after_it_begins",
                condition=Q(expires_at__gt=F("created_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def shown_prefix(self) -> str:
        """What may be shown of the secret, to tell one key from another."""
        return f"sw_{self.mode}_{self.prefix}"

    def is_use_unnoted(self, *, now: datetime) -> bool:
        last = self.last_used_at
        return last is None or last <= now - USE_NOTED_EVERY

    def status(self, *, now: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.expires_at > now else "expired"
