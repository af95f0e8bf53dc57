from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from core.administration import ReadOnlyAdmin, ReadOnlyInline, state_column
from core.outbox import MAX_ATTEMPTS
from notifications import services
from notifications.models import Delivery, Notification

GIVEN_UP = Q(state=Delivery.State.QUEUED, attempts__gte=MAX_ATTEMPTS)


class GivenUpFilter(admin.SimpleListFilter):
    title = "attempts"
    parameter_name = "given_up"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [("yes", "Given up"), ("no", "Going on")]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's signature
        queryset: QuerySet[Delivery],
    ) -> QuerySet[Delivery]:
        if self.value() is None:
            return queryset
        return queryset.filter(GIVEN_UP if self.value() == "yes" else ~GIVEN_UP)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "kind",
        "recipient",
        "channel",
        "stage",
        "attempts",
        "sent_at",
    )
    list_filter = ("state", "channel", GivenUpFilter)
    list_select_related = ("notification__recipient",)
    search_fields = ("message_id", "notification__recipient__email")
    search_help_text = "Address of the user, or Message-ID"
    ordering = ("-id",)
    actions = ("retry",)
    fields = (
        ("kind", "recipient"),
        ("channel", "stage"),
        ("attempts", "last_error"),
        "message_id",
        ("created_at", "sent_at"),
    )

    stage = state_column("state")

    @admin.display(description="Kind", ordering="notification__kind")
    def kind(self, delivery: Delivery) -> str:
        return delivery.notification.kind

    @admin.display(description="Recipient")
    def recipient(self, delivery: Delivery) -> str:
        user = delivery.notification.recipient
        return str(user) if user else "Guest"

    @admin.action(description="Try to send again", permissions=["retry"])
    def retry(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        self.call_service(
            request,
            deliveries,
            lambda delivery: services.retry_delivery(
                delivery_id=delivery.pk, now=timezone.now()
            ),
            done="Queued again",
        )

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.change_delivery")


class DeliveryInline(ReadOnlyInline):
    model = Delivery
    fields = ("channel", "stage", "attempts", "last_error", "sent_at")
    readonly_fields = ("stage",)
    stage = state_column("state")


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "recipient", "subject_id")
    list_filter = ("kind",)
    list_select_related = ("recipient",)
    search_fields = ("recipient__email", "=subject_id", "=event_id")
    search_help_text = "Address of the user, or the id of the subject or event"
    ordering = ("-id",)
    inlines = (DeliveryInline,)
