from django.db import models

from core.encryption import EncryptedTextField
from core.ids import uuid7


class SigningKey(models.Model):
    """A key for access tokens. It verifies for a while longer than it signs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kid = models.CharField(max_length=32, unique=True)
    algorithm = models.CharField(max_length=16)
    # Base64 of the private key, or of the shared secret.
    secret = EncryptedTextField()
    created_at = models.DateTimeField()
    # Later than its making, so that every node knows it before it is used.
    signs_from = models.DateTimeField()
    # Null: nothing has taken its place yet.
    verifies_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.algorithm} {self.kid}"
