from datetime import datetime
from typing import Self

from django.db import models

from core.encryption import EncryptedTextField
from core.ids import uuid7


class AccountTokenQuerySet(models.QuerySet["AccountToken"]):
    def usable(self, *, now: datetime) -> Self:
        return self.filter(used_at=None, expires_at__gt=now)

    def over(self, *, before: datetime) -> Self:
        return self.filter(expires_at__lt=before)


class AccountToken(models.Model):
    """The right to do one thing once, for who reads the mail at ``email``.

    The secret is made when the mail is written, and only its hash is kept.
    """

    class Purpose(models.TextChoices):
        VERIFY_EMAIL = "verify_email"
        RESET_PASSWORD = "reset_password"  # noqa: S105 -- a purpose
        CHANGE_EMAIL = "change_email"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="account_tokens"
    )
    purpose = models.CharField(max_length=16, choices=Purpose)
    email = models.EmailField(max_length=254)
    # Whom to tell that it was changed.
    previous_email = models.EmailField(max_length=254, blank=True, default="")
    # Null until a mail with the secret was written.
    token_hash = models.BinaryField(max_length=32, null=True, unique=True)
    # The session that asked, which goes on where the others end.
    session = models.ForeignKey(
        "accounts.Session",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)

    objects = AccountTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.purpose} {self.id}"


class AccountRequest(models.Model):
    """What somebody asked for about an address, to be answered by a worker.

    The request itself looks nothing up, so nothing about it tells whether the address is
    known. The row goes when it is answered.
    """

    class Kind(models.TextChoices):
        REGISTER = "register"
        RESEND_VERIFICATION = "resend"
        RESET_PASSWORD = "reset"  # noqa: S105 -- a kind
        CHANGE_EMAIL = "change"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=16, choices=Kind)
    # JSON: the address, and what belongs to the kind.
    payload = EncryptedTextField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
