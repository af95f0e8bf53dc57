from datetime import datetime
from functools import partial
from ipaddress import ip_network
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path
from django.utils import timezone

from core import outbox, traffic
from core.administration import (
    ActorMixin,
    ModelAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    state_column,
)
from core.models import (
    AddressBlock,
    AuditEntry,
    BreakerControl,
    IdempotencyRecord,
    OutboxDelivery,
    OutboxEvent,
    RateLimitPolicy,
    RouteWeight,
    Switch,
)
from core.protection import services
from core.protection.addresses import client_of


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


class RuleAdmin(ModelAdmin):
    """Saves through the service, so that each change is in the audit log."""

    is_sensitive = True

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,  # noqa: ARG002 -- Django's signature
        change: bool,  # noqa: ARG002, FBT001 -- Django's signature
    ) -> None:
        services.save_rule(obj, actor_id=request.user.pk)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        services.delete_rule(obj, actor_id=request.user.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for rule in queryset:
            services.delete_rule(rule, actor_id=request.user.pk)


class RateLimitPolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        any_role = RateLimitPolicy.Role.ANY
        others = RateLimitPolicy.objects.filter(
            name=given.get("name", ""), principal=given.get("principal", "")
        )
        others = others.exclude(pk=self.instance.pk)
        if given.get("role") != any_role:
            others = others.filter(role=any_role)
        if others.exists():
            # Both would apply to one request, and count in the same bucket.
            self.add_error(
                "name", "Another limit of this name holds for the same role."
            )
        return given


@admin.register(RateLimitPolicy)
class RateLimitPolicyAdmin(RuleAdmin):
    form = RateLimitPolicyForm
    list_display = (
        "name",
        "role",
        "principal",
        "per",
        "method",
        "path",
        "quota",
        "window_seconds",
        "burst",
        "is_enforced",
    )
    list_filter = ("role", "per", "is_enforced")
    search_fields = ("name", "path", "principal")
    ordering = ("path", "role", "name")
    fields = (
        "name",
        ("role", "per", "principal"),
        ("method", "path"),
        ("quota", "window_seconds", "burst"),
        ("is_enforced", "is_strict"),
    )


@admin.register(RouteWeight)
class RouteWeightAdmin(RuleAdmin):
    list_display = ("path", "method", "cost")
    search_fields = ("path",)
    ordering = ("path", "method")
    fields = (("method", "path"), "cost")


class AddressBlockForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    request: HttpRequest

    def clean_network(self) -> str:
        try:
            network = ip_network(self.cleaned_data["network"].strip(), strict=False)
        except ValueError as error:
            raise forms.ValidationError("That is no address and no network.") from error
        own = client_of(self.request).address
        if own is not None and own in network:
            raise forms.ValidationError("Your own address is in there.")
        return str(network)

    def clean_ends_at(self) -> datetime | None:
        ends_at: datetime | None = self.cleaned_data["ends_at"]
        if ends_at is not None and ends_at <= timezone.now():
            raise forms.ValidationError("That is past.")
        return ends_at


@admin.register(AddressBlock)
class AddressBlockAdmin(RuleAdmin):
    form = AddressBlockForm
    list_display = ("network", "reason", "source", "created_at", "ends_at")
    list_filter = ("source",)
    search_fields = ("network", "reason")
    ordering = ("-id",)
    fields = ("network", "reason", "ends_at")

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        return type(form.__name__, (form,), {"request": request})


@admin.register(Switch)
class SwitchAdmin(RuleAdmin):
    list_display = ("name", "mode")
    ordering = ("name",)
    fields = ("name", "mode")

    def get_urls(self) -> list[Any]:
        guard = self.admin_site.admin_view
        page = partial(traffic.page, site=self.admin_site)
        return [
            path("traffic/", guard(page), name="core_traffic"),
            path(
                "traffic/figures", guard(traffic.figures), name="core_traffic_figures"
            ),
            path("traffic/switch", guard(traffic.switch), name="core_traffic_switch"),
            path(
                "traffic/control", guard(traffic.control), name="core_traffic_control"
            ),
            *super().get_urls(),
        ]


@admin.register(BreakerControl)
class BreakerControlAdmin(RuleAdmin):
    list_display = ("name", "state", "closings")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "state")
