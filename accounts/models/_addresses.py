from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.encryption import EncryptedTextField
from core.ids import uuid7


class AddressQuerySet(models.QuerySet["Address"]):
    def of(self, user_id: UUID) -> Self:
        return self.filter(user_id=user_id)


class Address(models.Model):
    """Where a person has things sent, or their bill. Who lives where rests encrypted."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="addresses"
    )
    full_name = EncryptedTextField(max_length=200)
    company = EncryptedTextField(max_length=200, blank=True, default="")
    line1 = EncryptedTextField(max_length=200)
    line2 = EncryptedTextField(max_length=200, blank=True, default="")
    city = EncryptedTextField(max_length=100)
    region = models.CharField(max_length=100, blank=True, default="")
    postal_code = EncryptedTextField(max_length=20, blank=True, default="")
    country = models.CharField(max_length=2)
    phone = EncryptedTextField(max_length=32, blank=True, default="")
    is_default_shipping = models.BooleanField(default=False)
    is_default_billing = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AddressQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(
                name="accounts_address_one_default_shipping",
                fields=["user"],
                condition=Q(is_default_shipping=True),
            ),
            models.UniqueConstraint(
                name="accounts_address_one_default_billing",
                fields=["user"],
                condition=Q(is_default_billing=True),
            ),
        ]

    def __str__(self) -> str:
        return f"Address {self.id}"
