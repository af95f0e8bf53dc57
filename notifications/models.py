from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.ids import uuid7


class Notification(models.Model):
    """Something that somebody is to be told, once per event."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    event_id = models.UUIDField()
    kind = models.CharField(max_length=64)
    # Empty for a guest, whose address the subject knows.
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
    )
    subject_id = models.UUIDField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="notifications_notification_once_per_event",
                fields=["event_id", "recipient", "kind"],
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"


class Delivery(models.Model):
    """A notification's way through one channel. A state never moves down."""

    class Channel(models.TextChoices):
        EMAIL = "email"

    class State(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        DELIVERED = "delivered"
        BOUNCED = "bounced"
        UNDELIVERED = "undelivered"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="deliveries"
    )
    channel = models.CharField(max_length=16, choices=Channel)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    # The same for every attempt, so that a mail sent twice shows once.
    message_id = models.CharField(max_length=255, unique=True)
    last_error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                name="notifications_delivery_once_per_channel",
                fields=["notification", "channel"],
            ),
            models.CheckConstraint(
                name="notifications_delivery_sent_has_instant",
                condition=Q(state="queued")
                | Q(sent_at__isnull=False)
                | Q(state="undelivered"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.state}"
