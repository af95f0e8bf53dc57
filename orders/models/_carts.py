from datetime import datetime
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.encryption import EncryptedJSONField, EncryptedTextField
from core.ids import uuid7
from orders.models._shipping import ShippingOption


class Cart(models.Model):
    """What somebody means to buy. A guest's cart is reached by its id, so the id is a secret."""

    class State(models.TextChoices):
        OPEN = "open"
        # Its order waits for the payment or has it; a declined payment opens it again.
        CHECKED_OUT = "checked_out"
        MERGED = "merged"

    # Fully random, unlike the other ids: knowing it is the guest's only credential.
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    currency = models.CharField(max_length=3)
    email = models.EmailField(max_length=254, blank=True, default="")
    shipping_address = EncryptedJSONField(null=True, blank=True)
    billing_address = EncryptedJSONField(null=True, blank=True)
    shipping_option = models.ForeignKey(
        ShippingOption, on_delete=models.SET_NULL, null=True, blank=True
    )
    # When the addresses were given: of two merged carts, the newer ones win.
    addressed_at = models.DateTimeField(null=True, blank=True)
    note = EncryptedTextField(blank=True, default="")
    # What the stock is held under, while it is; a new one for every hold.
    hold_reference = models.UUIDField(null=True, blank=True, editable=False)
    # Of the latest hold, also after a change of the lines gave it up.
    held_until = models.DateTimeField(null=True, blank=True)
    holds_taken = models.PositiveSmallIntegerField(default=0, editable=False)
    # The order that it became or tried to become; read under the lock of this row.
    order_id = models.UUIDField(null=True, blank=True, editable=False)
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="orders_cart_one_open_per_user",
                fields=["user"],
                condition=Q(state="open") & Q(user__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"cart of {self.updated_at:%Y-%m-%d}"

    def is_held(self, now: datetime) -> bool:
        return (
            self.hold_reference is not None
            and self.held_until is not None
            and self.held_until > now
        )


class CartItem(models.Model):
    """A line. Merging carts may leave two lines of one variant; their demand is summed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    cart = models.ForeignKey(Cart, on_delete=models.CASCADE, related_name="items")
    variant = models.ForeignKey(
        "catalog.Variant", on_delete=models.CASCADE, related_name="+"
    )
    quantity = models.PositiveIntegerField()
    # What the buyer was shown last, to tell him when the price has changed.
    seen_amount = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="orders_cartitem_quantity_positive", condition=Q(quantity__gt=0)
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.variant_id}"
