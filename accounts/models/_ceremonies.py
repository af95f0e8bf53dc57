from datetime import datetime
from typing import Self

from django.db import models

from core.ids import uuid7


class CeremonyQuerySet(models.QuerySet["Ceremony"]):
    def open(self, *, now: datetime) -> Self:
        return self.filter(used_at=None, expires_at__gt=now)

    def over(self, *, now: datetime) -> Self:
        return self.filter(expires_at__lte=now)


class Ceremony(models.Model):
    """A question that was asked while signing in and waits for its one answer.

    What answers it is kept as a hash only. ``binding`` says which device may answer.
    """

    class Kind(models.TextChoices):
        MFA = "mfa"
        ADMIN_MFA = "admin_mfa"
        ADMIN_MFA_PASSKEY = "admin_mfa_passkey"
        ADMIN_SIGN_IN = "admin_sign_in"
        ADMIN_STEP_UP = "admin_step_up"
        PASSKEY_REGISTRATION = "passkey_registration"
        PASSKEY_SIGN_IN = "passkey_sign_in"
        STEP_UP = "step_up"
        OAUTH_SIGN_IN = "oauth_sign_in"
        OAUTH_LINK = "oauth_link"
        IDENTITY_OFFER = "identity_offer"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=24, choices=Kind)
    user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.CASCADE, related_name="+"
    )
    answer_hash = models.BinaryField(max_length=32, null=True, unique=True)
    binding = models.BinaryField(max_length=32)
    # Never a secret: it rests as it is.
    payload = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = CeremonyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "ceremonies"
        indexes = [models.Index(name="accounts_ceremony_age", fields=["expires_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
