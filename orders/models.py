from datetime import datetime
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone

from core.encryption import EncryptedJSONField, EncryptedTextField
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
