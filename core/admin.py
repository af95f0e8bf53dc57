from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core import outbox
from core.administration import (
    ActorMixin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    state_column,
)
from core.models import AuditEntry, IdempotencyRecord, OutboxDelivery, OutboxEvent


class OutboxDeliveryInline(ReadOnlyInline):
    model = OutboxDelivery
    fields = ("handler", "stage", "attempts", "last_error", "delivered_at")
    readonly_fields = ("stage",)
    stage = state_column("status")


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    list_display = ("occurred_at", "name", "aggregate_id", "dispatched_at")
    list_filter = (("dispatched_at", admin.EmptyFieldListFilter),)
    # A filter by name would have to read the whole table for its choices.
    search_fields = ("=name", "=aggregate_id", "=id")
    search_help_text = "Name or id of the event, or id of what it is about"
    ordering = ("-sequence",)
    fields = ("name", "aggregate_id", "payload", ("occurred_at", "dispatched_at"))
    inlines = (OutboxDeliveryInline,)


@admin.register(OutboxDelivery)
class OutboxDeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        "event_name",
        "handler",
        "stage",
        "attempts",
        "next_attempt_at",
        "last_error",
    )
    list_filter = ("status",)
    list_select_related = ("event",)
    search_fields = ("=handler", "=aggregate_id", "=event__id")
    search_help_text = "Handler, id of the event, or id of what it is about"
    ordering = ("-sequence",)
    actions = ("retry",)

    stage = state_column("status")

    @admin.display(description="Event", ordering="event__name")
    def event_name(self, delivery: OutboxDelivery) -> str:
        return delivery.event.name

    @admin.action(
        description="Give dead ones their attempts back", permissions=["retry"]
    )
    def retry(self, request: HttpRequest, chosen: QuerySet[OutboxDelivery]) -> None:
        delivery_ids = list(chosen.values_list("pk", flat=True))
        count = outbox.retry_dead(delivery_ids=delivery_ids, now=timezone.now())
        self.message_user(request, f"Waiting for delivery: {count}.", messages.SUCCESS)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_outboxdelivery")


@admin.register(AuditEntry)
class AuditEntryAdmin(ActorMixin, ReadOnlyAdmin):
    list_display = ("created_at", "action", "subject_type", "subject_id", "actor")
    search_fields = ("=action", "=subject_id", "=actor_id", "=request_id")
    search_help_text = "Action, or id of the subject, the person or the request"
    ordering = ("-id",)
    fields = (
        ("action", "created_at"),
        ("subject_type", "subject_id"),
        ("before", "after"),
        ("actor", "request_id"),
    )


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "route", "state", "status_code", "expires_at")
    list_filter = ("state",)
    search_fields = ("=route", "=key", "=request_id")
    search_help_text = "Route, key, or id of the request"
    ordering = ("-id",)
    # Not the stored answer: it may hold what only its receiver is to see.
    fields = (
        ("route", "key"),
        ("state", "status_code"),
        "request_id",
        ("created_at", "claimed_until", "expires_at"),
    )
