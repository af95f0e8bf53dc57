from datetime import datetime
from typing import Self

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Exists, Func, OuterRef, Q, Value
from django.utils import timezone

from core.encryption import EncryptedBinaryField
from core.ids import uuid7


class OutboxEvent(models.Model):
    """A fact that committed together with the change it describes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Publication order inside an aggregate: ids of one millisecond don't promise it.
    sequence = models.BigIntegerField(
        db_default=Func(Value("core_outboxevent_sequence"), function="nextval"),
        editable=False,
        unique=True,
    )
    name = models.CharField(max_length=100)
    aggregate_id = models.CharField(max_length=64)
    payload = models.JSONField()
    occurred_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                name="core_outboxevent_undispatched",
                fields=["sequence"],
                condition=Q(dispatched_at=None),
            ),
            models.Index(
                name="core_outboxevent_open",
                fields=["aggregate_id", "sequence"],
                condition=Q(dispatched_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


class OutboxDeliveryQuerySet(models.QuerySet["OutboxDelivery"]):
    def pending(self) -> Self:
        return self.filter(status=OutboxDelivery.Status.PENDING)

    def dead(self) -> Self:
        return self.filter(status=OutboxDelivery.Status.DEAD)

    def due(self, *, now: datetime) -> Self:
        return self.filter(next_attempt_at__lte=now)

    def unblocked(self) -> Self:
        """Leave out what an earlier event of the same aggregate must come before.

        Both questions stand in one statement, so that one snapshot answers them: an
        earlier event is either not dispatched yet, or its delivery is visible.
        """
        undispatched = OutboxEvent.objects.filter(
            dispatched_at=None,
            aggregate_id=OuterRef("aggregate_id"),
            sequence__lt=OuterRef("sequence"),
        )
        earlier = OutboxDelivery.objects.pending().filter(
            handler=OuterRef("handler"),
            aggregate_id=OuterRef("aggregate_id"),
            sequence__lt=OuterRef("sequence"),
        )
        return self.filter(~Exists(undispatched), ~Exists(earlier))


class OutboxDelivery(models.Model):
    """One handler's share of one event."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        DEAD = "dead"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    event = models.ForeignKey(
        OutboxEvent, on_delete=models.CASCADE, related_name="deliveries"
    )
    handler = models.CharField(max_length=200)
    # Copied from the event, so that "is an earlier one open?" is one index look-up.
    aggregate_id = models.CharField(max_length=64)
    sequence = models.BigIntegerField()
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    # No attempt starts before this: the backoff, and the lease of a running one.
    next_attempt_at = models.DateTimeField(default=timezone.now)
    # When a worker was last told; null means that the relay should tell one.
    enqueued_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = OutboxDeliveryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="core_outboxdelivery_once_per_handler",
                fields=["event", "handler"],
            )
        ]
        indexes = [
            models.Index(
                name="core_outboxdelivery_pending",
                fields=["handler", "aggregate_id", "sequence"],
                condition=Q(status="pending"),
            ),
            models.Index(
                name="core_outboxdelivery_due",
                fields=["next_attempt_at"],
                condition=Q(status="pending"),
            ),
            models.Index(
                name="core_outboxdelivery_dead",
                fields=["sequence"],
                condition=Q(status="dead"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.handler} {self.event_id}"


class IdempotencyRecord(models.Model):
    """What was answered to a principal's key on a route, for replay."""

    class State(models.TextChoices):
        CLAIMED = "claimed"
        COMPLETED = "completed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=100)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    # What the answer tells of, such as "order:SW-100001", where the scope doesn't say it:
    # who erases that finds the answer by it.
    about = models.CharField(max_length=100, blank=True, default="")
    state = models.CharField(max_length=16, choices=State, default=State.CLAIMED)
    request_id = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    headers = models.JSONField(default=dict)
    # Encrypted, as it may be an address; null until there is an answer.
    body = EncryptedBinaryField(null=True, blank=True)
    # A claim older than this belongs to a process that died.
    claimed_until = models.DateTimeField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="core_idempotencyrecord_unique_key",
                fields=["scope", "route", "key"],
            )
        ]
        indexes = [
            models.Index(name="core_idempotencyrecord_expiry", fields=["expires_at"]),
            models.Index(
                name="core_idempotencyrecord_about",
                fields=["about"],
                condition=~Q(about=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class AuditEntry(models.Model):
    """Who changed what, from which state to which. Written once, never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_type = models.CharField(max_length=100)
    subject_id = models.CharField(max_length=64)
    action = models.CharField(max_length=100)
    actor_id = models.UUIDField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True, default="")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    # By it the tables' triggers know what a service has already written down.
    transaction_id = models.BigIntegerField(
        null=True, editable=False, db_default=Func(function="txid_current")
    )

    class Meta:
        indexes = [
            models.Index(
                name="core_auditentry_subject", fields=["subject_type", "subject_id"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_type} {self.subject_id}"


class AuditSeal(models.Model):
    """A link of the chain over the audit log: its digest covers the one before."""

    position = models.BigIntegerField(primary_key=True, editable=False)
    # No foreign key: that an entry is gone is what this has to show.
    entry_id = models.UUIDField(unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    sealed_at = models.DateTimeField(editable=False)

    def __str__(self) -> str:
        return f"Seal {self.position}"


class EncryptionKey(models.Model):
    """A key that text in this database was sealed with, and a text to know it by."""

    id = models.CharField(primary_key=True, max_length=32)
    proof = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.id


_PATH = RegexValidator(
    r"\A(\*|/[^\s?*]*\*?)\Z",
    "A path such as /api/v1/search, /api/v1/carts/{id}/items or /api/v1/imports*, or *.",
)


class Method(models.TextChoices):
    ANY = "", "Any"
    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class RateLimitPolicy(models.Model):
    """How many requests a caller may send in a time. All that apply must agree."""

    class Role(models.TextChoices):
        ANY = "any"
        ANONYMOUS = "anonymous"
        CUSTOMER = "customer"
        STAFF = "staff"
        KEY = "key", "API key"

    class Per(models.TextChoices):
        PRINCIPAL = "principal", "Caller (user or key, else address)"
        ADDRESS = "ip", "Address"
        ACCOUNT = "account", "Account that is signed in to"
        PAIR = "pair", "Account and address together"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(
        max_length=40,
        validators=[RegexValidator(r"\A[a-z][a-z0-9-]*\Z")],
        help_text="What clients read in the header RateLimit-Policy, such as burst.",
    )
    role = models.CharField(max_length=16, choices=Role, default=Role.ANY)
    # Such as key:7f3k9q2m4x1z.
    principal = models.CharField(
        "only for",
        max_length=100,
        blank=True,
        default="",
        # Processes of the version before insert without it while both run.
        db_default="",
        help_text="One caller alone, instead of the limits per caller of its role.",
    )
    per = models.CharField(max_length=16, choices=Per, default=Per.PRINCIPAL)
    method = models.CharField(
        max_length=8, choices=Method, blank=True, default=Method.ANY
    )
    path = models.CharField(
        max_length=200,
        default="*",
        validators=[_PATH],
        help_text="* for all. {id} stands for one part, * at the end for the rest.",
    )
    quota = models.PositiveIntegerField(
        validators=[MinValueValidator(1)], help_text="Requests per window."
    )
    window_seconds = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    burst = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many of them at once. Empty: all.",
    )
    is_enforced = models.BooleanField(
        "refuses",
        default=True,
        help_text="Off: counted and logged only, to see whom it would hit.",
    )
    is_strict = models.BooleanField(
        "strict",
        default=False,
        help_text="While Valkey is out, each process grants only its share.",
    )

    class Meta:
        verbose_name = "rate limit"
        constraints = [
            models.UniqueConstraint(
                name="core_ratelimitpolicy_name_per_role_and_principal",
                fields=["name", "role", "principal"],
            ),
            models.CheckConstraint(
                name="core_ratelimitpolicy_of_one_caller_is_general",
                condition=Q(principal="") | Q(path="*", per="principal"),
            ),
            models.CheckConstraint(
                name="core_ratelimitpolicy_positive",
                condition=Q(quota__gte=1, window_seconds__gte=1)
                & (Q(burst=None) | Q(burst__gte=1)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


class RouteWeight(models.Model):
    """What a costly route takes out of the limits on all paths; others take 1."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    method = models.CharField(
        max_length=8, choices=Method, blank=True, default=Method.ANY
    )
    path = models.CharField(max_length=200, validators=[_PATH])
    cost = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="core_routeweight_once_per_route", fields=["method", "path"]
            ),
            models.CheckConstraint(
                name="core_routeweight_positive", condition=Q(cost__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path}".strip()


class AddressBlockQuerySet(models.QuerySet["AddressBlock"]):
    def in_force(self, *, now: datetime) -> Self:
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now))


class AddressBlock(models.Model):
    """Addresses that are let in nowhere, for a time or for good."""

    class Source(models.TextChoices):
        HAND = "hand", "By hand"
        RULE = "rule", "By rule"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    network = models.CharField(
        max_length=43, help_text="203.0.113.7, 203.0.113.0/24 or 2001:db8::/64."
    )
    reason = models.CharField(max_length=200)
    source = models.CharField(max_length=8, choices=Source, default=Source.HAND)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: until somebody lifts it."
    )

    objects = AddressBlockQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(name="core_addressblock_end", fields=["ends_at"])]

    def __str__(self) -> str:
        return self.network


class Switch(models.Model):
    """A protection's mode as people have set it; without a row the environment decides."""

    class Name(models.TextChoices):
        RATE_LIMIT = "rate_limit", "Rate limits and blocked addresses"
        LOAD_SHEDDING = "load_shedding", "Load shedding"
        BREAKERS = "breakers", "Circuit breakers"
        DEADLINES = "deadlines", "Deadlines"

    class Mode(models.TextChoices):
        ENFORCE = "enforce", "Enforce"
        LOG_ONLY = "log_only", "Count and log only"
        OFF = "off", "Off"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField("protection", max_length=40, choices=Name, unique=True)
    mode = models.CharField(max_length=16, choices=Mode)

    class Meta:
        verbose_name_plural = "switches"

    def __str__(self) -> str:
        return self.get_name_display()


class BreakerControl(models.Model):
    """What people want of one circuit breaker; without a row it decides by itself."""

    class State(models.TextChoices):
        AUTOMATIC = "automatic"
        FORCED_OPEN = "forced_open"
        METRICS_ONLY = "metrics_only"
        DISABLED = "disabled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField("breaker", max_length=100, unique=True)
    state = models.CharField(max_length=16, choices=State, default=State.AUTOMATIC)
    # Raised to close it now: every process that sees it grow does so once.
    closings = models.PositiveIntegerField(default=0, editable=False)

    def __str__(self) -> str:
        return self.name
