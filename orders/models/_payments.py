from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.ids import uuid7
from orders.models._orders import Order


class Payment(models.Model):
    """One attempt to be paid. Its key makes the provider's side happen once."""

    class Status(models.TextChoices):
        # Written before the provider is asked; still so after a time-out.
        PENDING = "pending"
        AUTHORIZED = "authorized"
        CAPTURED = "captured"
        FAILED = "failed"
        VOIDED = "voided"
        REFUNDED = "refunded"

    TRANSITIONS = {
        Status.PENDING: {
            Status.AUTHORIZED,
            Status.CAPTURED,
            Status.FAILED,
            Status.VOIDED,
        },
        Status.AUTHORIZED: {Status.CAPTURED, Status.VOIDED},
        Status.CAPTURED: {Status.REFUNDED},
        # Taken for failed, and the provider says otherwise: it is reversed at once.
        Status.FAILED: {Status.AUTHORIZED, Status.CAPTURED},
        Status.VOIDED: set(),
        Status.REFUNDED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    provider = models.CharField(max_length=32)
    method = models.CharField(max_length=64)
    generation = models.PositiveSmallIntegerField(default=1)
    idempotency_key = models.CharField(max_length=100, unique=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    provider_reference = models.CharField(max_length=100, blank=True, default="")
    failure_code = models.CharField(max_length=64, blank=True, default="")
    # Digest of the request's Idempotency-Key: tells a retry from a second checkout.
    checkout_key = models.CharField(
        max_length=64, blank=True, default="", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    settled_at = models.DateTimeField(null=True, blank=True)
    # Set while the provider has to be asked, or has to give the money back.
    next_check_at = models.DateTimeField(null=True, blank=True)
    checks = models.PositiveIntegerField(default=0, editable=False)
    # The money is not to be kept; cleared by nobody.
    reversal_requested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="orders_payment_one_per_generation", fields=["order", "generation"]
            ),
            models.CheckConstraint(
                name="orders_payment_amount_positive", condition=Q(amount__gte=0)
            ),
        ]
        indexes = [
            models.Index(
                name="orders_payment_unsettled",
                fields=["next_check_at"],
                condition=Q(next_check_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.status}"


class PaymentEvent(models.Model):
    """What the provider said, in order. A database trigger refuses to change or delete it."""

    class Kind(models.TextChoices):
        AUTHORIZED = "authorized"
        CAPTURED = "captured"
        VOIDED = "voided"
        REFUNDED = "refunded"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="events"
    )
    kind = models.CharField(max_length=16, choices=Kind)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    provider_reference = models.CharField(max_length=100, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="orders_paymentevent_once",
                fields=["payment", "kind", "provider_reference"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"
