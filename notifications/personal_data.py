"""What notifications holds on people: that they were told something, and when."""

from django.db.models import QuerySet

from core.personal_data import Person, delete, hold, keep
from core.retention import delete_some, kept_until, remove_by
from notifications.models import Delivery, Notification


def _notifications(person: Person) -> QuerySet[Notification]:
    return Notification.objects.filter(recipient_id=person.user_id)


hold("notifications", Notification, rows=_notifications, erase=delete)
hold(
    "deliveries",
    Delivery,
    rows=lambda person: Delivery.objects.filter(
        notification__in=_notifications(person)
    ),
    erase=keep("They go with their notifications."),
)
remove_by(
    "notifications",
    lambda now, limit: delete_some(
        Notification.objects.filter(
            created_at__lt=kept_until("notifications", now=now)
        ),
        limit,
    ),
)
