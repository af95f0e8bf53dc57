from datetime import datetime
from email.utils import parseaddr
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts import selectors as accounts_selectors
from core import outbox
from core.events import publish
from core.ids import uuid7
from core.models import OutboxDelivery
from notifications.constants import Kind
from notifications.events import DeliveryQueued
from notifications.exceptions import DeliveryNotRetryableError
from notifications.models import Delivery, Notification


@transaction.atomic
def notify(
    *, event_id: UUID, kind: Kind, subject_id: UUID, recipient_id: UUID | None
) -> None:
    """Record once per event that somebody is to be told, and queue it for each channel.

    Without a recipient the message goes to the address that the subject has.
    """
    if recipient_id and accounts_selectors.get_contact(recipient_id) is None:
        recipient_id = None
    notification, is_new = Notification.objects.get_or_create(
        event_id=event_id,
        recipient_id=recipient_id,
        kind=kind.slug,
        defaults={"subject_id": subject_id},
    )
    if not is_new:
        return
    for channel in kind.channels:
        delivery_id = uuid7()
        Delivery.objects.create(
            pk=delivery_id,
            notification=notification,
            channel=channel,
            message_id=f"<{delivery_id}@{_mail_domain()}>",
        )
        publish(DeliveryQueued(delivery_id=delivery_id))


def _mail_domain() -> str:
    _, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return address.rpartition("@")[2] or "localhost"


@transaction.atomic
def retry_delivery(*, delivery_id: UUID, now: datetime) -> None:
    """Give a message its attempts back.

    :raises DeliveryNotRetryableError: when it isn't waiting any more.
    """
    delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.state != Delivery.State.QUEUED:
        raise DeliveryNotRetryableError(f"It is {delivery.state}.")
    Delivery.objects.filter(pk=delivery.pk).update(attempts=0)
    dead = OutboxDelivery.objects.dead().filter(aggregate_id=str(delivery.pk))
    if not outbox.retry_dead(
        delivery_ids=list(dead.values_list("pk", flat=True)), now=now
    ):
        publish(DeliveryQueued(delivery_id=delivery.pk))
