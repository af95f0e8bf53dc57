from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone

from core.encryption import EncryptedJSONField, EncryptedTextField
from core.ids import uuid7


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open"
        COMPLETED = "completed"
        CANCELED = "canceled"

    class PaymentStatus(models.TextChoices):
        PENDING = "pending"
        AUTHORIZED = "authorized"
        PAID = "paid"
        PARTIALLY_REFUNDED = "partially_refunded"
        REFUNDED = "refunded"
        FAILED = "failed"
        VOIDED = "voided"

    class FulfillmentStatus(models.TextChoices):
        UNFULFILLED = "unfulfilled"
        PARTIALLY_FULFILLED = "partially_fulfilled"
        FULFILLED = "fulfilled"
        RETURNED = "returned"

    STATUS_TRANSITIONS = {
        Status.OPEN: {Status.COMPLETED, Status.CANCELED},
        Status.COMPLETED: set(),
        Status.CANCELED: set(),
    }
    PAYMENT_TRANSITIONS = {
        PaymentStatus.PENDING: {
            PaymentStatus.AUTHORIZED,
            PaymentStatus.PAID,
            PaymentStatus.FAILED,
            PaymentStatus.VOIDED,
        },
        PaymentStatus.AUTHORIZED: {PaymentStatus.PAID, PaymentStatus.VOIDED},
        PaymentStatus.PAID: {
            PaymentStatus.PARTIALLY_REFUNDED,
            PaymentStatus.REFUNDED,
        },
        PaymentStatus.PARTIALLY_REFUNDED: {PaymentStatus.REFUNDED},
        PaymentStatus.REFUNDED: set(),
        # The buyer tries again with another attempt.
        PaymentStatus.FAILED: {PaymentStatus.PENDING},
        PaymentStatus.VOIDED: set(),
    }
    FULFILLMENT_TRANSITIONS = {
        FulfillmentStatus.UNFULFILLED: {
            FulfillmentStatus.PARTIALLY_FULFILLED,
            FulfillmentStatus.FULFILLED,
        },
        FulfillmentStatus.PARTIALLY_FULFILLED: {
            FulfillmentStatus.FULFILLED,
            FulfillmentStatus.RETURNED,
        },
        FulfillmentStatus.FULFILLED: {FulfillmentStatus.RETURNED},
        FulfillmentStatus.RETURNED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # "SW-100001", from a sequence: numbers may have gaps, never doubles.
    number = models.CharField(
        max_length=32,
        unique=True,
        editable=False,
        db_default=Func(template="'SW-' || nextval('orders_order_number')"),
    )
    # One order per cart, whatever races: a declined one is taken up again.
    cart_id = models.UUIDField(unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    email = models.EmailField(max_length=254)
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    payment_status = models.CharField(
        max_length=24, choices=PaymentStatus, default=PaymentStatus.PENDING
    )
    fulfillment_status = models.CharField(
        max_length=24, choices=FulfillmentStatus, default=FulfillmentStatus.UNFULFILLED
    )
    currency = models.CharField(max_length=3)
    subtotal_amount = models.BigIntegerField()
    discount_amount = models.BigIntegerField(default=0)
    shipping_amount = models.BigIntegerField(default=0)
    tax_amount = models.BigIntegerField(default=0)
    total_amount = models.BigIntegerField()
    shipping_address = EncryptedJSONField()
    billing_address = EncryptedJSONField()
    # Once more, in clear: what taxes and their reports go by.
    shipping_country = models.CharField(max_length=2, blank=True, default="")
    shipping_region = models.CharField(max_length=100, blank=True, default="")
    billing_country = models.CharField(max_length=2, blank=True, default="")
    billing_region = models.CharField(max_length=100, blank=True, default="")
    shipping_option_code = models.CharField(max_length=64)
    shipping_option_name = models.CharField(max_length=200)
    note = EncryptedTextField(blank=True, default="")
    version = models.PositiveIntegerField(default=1, editable=False)
    placed_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="orders_order_total_adds_up",
                condition=Q(
                    total_amount=F("subtotal_amount")
                    - F("discount_amount")
                    + F("shipping_amount")
                    + F("tax_amount")
                ),
            )
        ]
        indexes = [
            models.Index(name="orders_order_newest", fields=["-placed_at", "-id"]),
            models.Index(
                name="orders_order_of_user", fields=["user", "-placed_at", "-id"]
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_cancelable(self) -> bool:
        return (
            self.status == self.Status.OPEN
            and self.fulfillment_status == self.FulfillmentStatus.UNFULFILLED
        )


class OrderLine(models.Model):
    """A snapshot: later edits of the catalogue must not change what was sold."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    variant_id = models.UUIDField()
    position = models.PositiveIntegerField()
    sku = models.CharField(max_length=255, blank=True, default="")
    title = models.CharField(max_length=255)
    product_title = models.CharField(max_length=255)
    product_slug = models.CharField(max_length=255)
    thumbnail_url = models.CharField(max_length=2048, blank=True, default="")
    quantity = models.PositiveIntegerField()
    unit_amount = models.BigIntegerField()
    total_amount = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="orders_orderline_quantity_positive", condition=Q(quantity__gt=0)
            ),
            models.CheckConstraint(
                name="orders_orderline_total_adds_up",
                condition=Q(total_amount=F("unit_amount") * F("quantity")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_title}"


class TimelineEntry(models.Model):
    """One step of an order's life, as its owner may read it. Written once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="timeline")
    # Which of the three states moved, or "note".
    field = models.CharField(max_length=32)
    from_state = models.CharField(max_length=24, blank=True, default="")
    to_state = models.CharField(max_length=24, blank=True, default="")
    message = models.CharField(max_length=255, blank=True, default="")
    actor_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [
            models.Index(name="orders_timeline_of_order", fields=["order", "id"])
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.from_state} → {self.to_state}"
