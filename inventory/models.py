from datetime import datetime
from typing import Self

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from core.ids import uuid7
from inventory.constants import MAX_UNITS


class Warehouse(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.SlugField(max_length=32, unique=True)
    name = models.CharField(max_length=200)
    # Lower comes first when a line is allocated.
    priority = models.PositiveSmallIntegerField(default=100)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name


class StockQuerySet(models.QuerySet["Stock"]):
    def with_labels(self) -> Self:
        """Add what people call the variant and the warehouse."""
        return self.annotate(sku=F("variant__sku"), warehouse_code=F("warehouse__code"))

    def low(self) -> Self:
        return self.filter(
            low_stock_threshold__gt=0,
            on_hand__lte=F("reserved") + F("low_stock_threshold"),
        )


class Stock(models.Model):
    """Units of one variant in one warehouse. Changed by conditional UPDATE only."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    variant = models.ForeignKey(
        "catalog.Variant", on_delete=models.PROTECT, related_name="+"
    )
    warehouse = models.ForeignKey(
        Warehouse, on_delete=models.PROTECT, related_name="stock"
    )
    on_hand = models.IntegerField(default=0)
    reserved = models.IntegerField(default=0)
    low_stock_threshold = models.PositiveIntegerField(default=0)
    backorder_limit = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = StockQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "stock"
        constraints = [
            models.UniqueConstraint(
                name="inventory_stock_unique_variant_warehouse",
                fields=["variant", "warehouse"],
            ),
            models.CheckConstraint(
                name="inventory_stock_on_hand_not_negative",
                condition=Q(on_hand__gte=0),
            ),
            models.CheckConstraint(
                name="inventory_stock_within_integers",
                condition=Q(on_hand__lte=MAX_UNITS) & Q(backorder_limit__lte=MAX_UNITS),
            ),
            models.CheckConstraint(
                name="inventory_stock_reserved_within_limit",
                condition=Q(reserved__gte=0)
                & Q(reserved__lte=F("on_hand") + F("backorder_limit")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.on_hand} on hand, {self.reserved} reserved"

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    @property
    def minimum_on_hand(self) -> int:
        return max(0, self.reserved - self.backorder_limit)


class ReservationQuerySet(models.QuerySet["Reservation"]):
    def active(self) -> Self:
        return self.filter(state=Reservation.State.ACTIVE)

    def waiting(self) -> Self:
        """Sold as a backorder, not shipped yet."""
        return self.active().filter(expires_at=None)

    def expired(self, *, now: datetime) -> Self:
        """Past their time, whatever their state."""
        return self.filter(expires_at__lte=now)


class Reservation(models.Model):
    """A hold on stock. ``reference`` is whatever it is held for: inventory need not know."""

    class State(models.TextChoices):
        ACTIVE = "active"
        CONSUMED = "consumed"
        RELEASED = "released"
        EXPIRED = "expired"

    TRANSITIONS = {
        State.ACTIVE: {State.CONSUMED, State.RELEASED, State.EXPIRED},
        State.CONSUMED: {State.RELEASED},
        State.RELEASED: set(),
        State.EXPIRED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    reference = models.UUIDField()
    stock = models.ForeignKey(
        Stock, on_delete=models.PROTECT, related_name="reservations"
    )
    quantity = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    # None: paid for before the goods came; held until they do.
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        constraints = [
            # A hold that expired or was given back may be followed by another.
            models.UniqueConstraint(
                name="inventory_reservation_one_live_hold",
                fields=["reference", "stock"],
                condition=Q(state__in=["active", "consumed"]),
            ),
            models.CheckConstraint(
                name="inventory_reservation_quantity_positive",
                condition=Q(quantity__gt=0),
            ),
        ]
        indexes = [
            models.Index(
                name="inventory_reservation_expiry",
                fields=["expires_at"],
                condition=Q(state="active"),
            ),
            models.Index(
                name="inventory_reservation_active",
                fields=["stock", "expires_at"],
                condition=Q(state="active"),
            ),
            models.Index(name="inventory_reservation_of", fields=["reference"]),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} for {self.reference}"


class Movement(models.Model):
    """A line of the ledger. A database trigger refuses to change or delete it."""

    class Kind(models.TextChoices):
        RECEIVED = "received"
        ADJUSTED = "adjusted"
        COUNTED = "counted"
        RESERVED = "reserved"
        RELEASED = "released"
        EXPIRED = "expired"
        SHIPPED = "shipped"
        RETURNED = "returned"
        TRANSFERRED_OUT = "transferred_out"
        TRANSFERRED_IN = "transferred_in"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stock = models.ForeignKey(Stock, on_delete=models.PROTECT, related_name="movements")
    kind = models.CharField(max_length=16, choices=Kind)
    on_hand_change = models.IntegerField(default=0)
    reserved_change = models.IntegerField(default=0)
    on_hand_after = models.IntegerField()
    reserved_after = models.IntegerField()
    reason = models.CharField(max_length=255, blank=True, default="")
    reference = models.UUIDField(null=True, blank=True)
    actor_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [
            models.Index(name="inventory_movement_of_stock", fields=["stock", "-id"]),
            models.Index(name="inventory_movement_reference", fields=["reference"]),
            # Rows only ever come at the end: a few pages say which blocks hold a day.
            BrinIndex(
                name="inventory_movement_created_at",
                fields=["created_at"],
                autosummarize=True,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.on_hand_change:+d}/{self.reserved_change:+d}"
