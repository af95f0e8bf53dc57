from datetime import datetime
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.constants import ACCESS_LIFETIME, ADMIN_IDLE, REFRESH_IDLE
from core.ids import uuid7


class SessionQuerySet(models.QuerySet["Session"]):
    def alive(self, *, now: datetime) -> Self:
        """Neither ended, nor too old, nor idle for so long that no token of it is left."""
        by_token = Q(last_seen_at__gt=now - REFRESH_IDLE - ACCESS_LIFETIME)
        by_cookie = Q(last_seen_at__gt=now - ADMIN_IDLE)
        return self.filter(
            Q(door=Session.Door.API) & by_token
            | Q(door=Session.Door.ADMIN) & by_cookie,
            ended_at=None,
            expires_at__gt=now,
        )

    def over(self, *, before: datetime) -> Self:
        return self.filter(Q(ended_at__lt=before) | Q(expires_at__lt=before))


class Session(models.Model):
    """One sign-in on one device, until it ends or is too old."""

    class Door(models.TextChoices):
        API = "api"
        ADMIN = "admin"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        "accounts.User",
        on_delete=models.CASCADE,
        related_name="sessions",
        # The index below begins with it.
        db_index=False,
    )
    door = models.CharField(
        max_length=8, choices=Door, default=Door.API, db_default=Door.API
    )
    created_at = models.DateTimeField()
    # When the person last proved who he is: at the sign-in, or at a step-up since.
    authenticated_at = models.DateTimeField()
    methods = ArrayField(models.CharField(max_length=32))
    # Opened by a password that would be too short for staff, whoever it was.
    is_by_short_password = models.BooleanField(default=False, db_default=False)
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=32, blank=True, default="")
    device_id = models.UUIDField()
    device_name = models.CharField(max_length=100, blank=True, default="")
    address = models.CharField(max_length=45, blank=True, default="")
    user_agent = models.CharField(max_length=300, blank=True, default="")

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="accounts_session_end_has_a_reason",
                condition=Q(ended_at=None, end_reason="")
                | Q(ended_at__isnull=False) & ~Q(end_reason=""),
            )
        ]
        indexes = [
            models.Index(name="accounts_session_device", fields=["user", "device_id"]),
            models.Index(name="accounts_session_age", fields=["expires_at"]),
        ]

    def __str__(self) -> str:
        return f"Session {self.id}"

    def is_alive(self, *, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at


class RefreshToken(models.Model):
    """A link of a session's chain. Of the token itself only the hash is kept.

    ``sealed_successor`` can be opened with the token alone, which isn't here.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="refresh_tokens"
    )
    parent = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="child"
    )
    token_hash = models.BinaryField(max_length=32, unique=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    sealed_successor = models.BinaryField(default=bytes, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="accounts_refreshtoken_seal_after_use",
                condition=Q(used_at__isnull=False) | Q(sealed_successor=b""),
            )
        ]

    def __str__(self) -> str:
        return f"Refresh token {self.id}"
