from django.db import models
from django.db.models import Q

from core.ids import uuid7


class ShippingOption(models.Model):
    """A flat rate, the same for every parcel that goes to its countries."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    # ISO 3166-1 alpha-2 codes; an empty list serves every country.
    countries = models.JSONField(default=list, blank=True)
    position = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name

    def serves(self, country: str) -> bool:
        return not self.countries or country in self.countries


class ShippingRate(models.Model):
    option = models.ForeignKey(
        ShippingOption, on_delete=models.CASCADE, related_name="rates"
    )
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(help_text="Minor units of the currency.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="orders_shippingrate_one_per_currency",
                fields=["option", "currency"],
            ),
            models.CheckConstraint(
                name="orders_shippingrate_not_negative", condition=Q(amount__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
