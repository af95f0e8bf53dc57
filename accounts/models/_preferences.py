from typing import Self
from uuid import UUID

from django.db import models
from django.utils import timezone

from accounts.models._users import User
from core.ids import uuid7


class Preferences(models.Model):
    """What a person has chosen, beside the language and time zone of the account.

    There is a row from the first choice on; before that all is as the shop has it, and
    the version is 0.
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    # Empty: the shop's.
    currency = models.CharField(max_length=3, blank=True, default="")
    marketing = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"Preferences of {self.user_id}"


class ConsentQuerySet(models.QuerySet["ConsentEntry"]):
    def of(self, user_id: UUID) -> Self:
        return self.filter(user_id=user_id)


class ConsentEntry(models.Model):
    """That somebody agreed to be written to, or no longer does. The shop's proof."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    purpose = models.CharField(max_length=40)
    is_given = models.BooleanField()
    at = models.DateTimeField(default=timezone.now)
    # Of the network it came from.
    address = models.CharField(max_length=45, blank=True, default="")

    objects = ConsentQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "consent entries"
        indexes = [
            models.Index(name="accounts_consent_of_user", fields=["user", "-at", "-id"])
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.is_given}"
