from typing import Self

from django.db import models
from django.db.models import Q

from core.encryption import EncryptedTextField
from core.ids import uuid7


class TotpDeviceQuerySet(models.QuerySet["TotpDevice"]):
    def confirmed(self) -> Self:
        return self.filter(confirmed_at__isnull=False)


class TotpDevice(models.Model):
    """An authenticator app. Until its first code arrives it guards nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(
        "accounts.User", on_delete=models.CASCADE, related_name="totp_device"
    )
    seed = EncryptedTextField()
    # The newest time step whose code was used; older ones are refused with it.
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)

    objects = TotpDeviceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Authenticator app {self.id}"

    @property
    def is_confirmed(self) -> bool:
        return self.confirmed_at is not None


class RecoveryCode(models.Model):
    """A way in without the phone, once. Of the code itself only the hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="recovery_codes"
    )
    code_hash = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Recovery code {self.id}"


class Passkey(models.Model):
    """A WebAuthn credential: its public half, and how often it says it was used."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="passkeys"
    )
    name = models.CharField(max_length=100)
    credential_id = models.BinaryField(max_length=1023, unique=True)
    public_key = models.BinaryField(max_length=2048)
    sign_count = models.BigIntegerField(default=0)
    transports = models.JSONField(default=list, blank=True)
    is_backed_up = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="accounts_passkey_sign_count_is_32_bit",
                condition=Q(sign_count__gte=0, sign_count__lt=2**32),
            )
        ]

    def __str__(self) -> str:
        return f"Passkey {self.id}"


class Identity(models.Model):
    """A person's account at a provider, which signs in to the account here."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="identities"
    )
    provider = models.CharField(max_length=40)
    # As the provider's tokens say it: a provider may change its name here.
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    email = EncryptedTextField(blank=True, default="")
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(
                name="accounts_identity_one_account",
                fields=["issuer", "subject"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.id}"
