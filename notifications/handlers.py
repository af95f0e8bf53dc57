from uuid import UUID

from django.utils import timezone

from core.events import Delivered, subscribe
from notifications import services
from notifications.constants import ORDER_PLACED
from notifications.events import DeliveryQueued
from orders.events import OrderPlaced


@subscribe(OrderPlaced)
def notify_of_order(delivered: Delivered) -> None:
    user_id = delivered.payload["user_id"]
    services.notify(
        event_id=delivered.event_id,
        kind=ORDER_PLACED,
        subject_id=UUID(delivered.payload["order_id"]),
        recipient_id=UUID(user_id) if user_id else None,
    )


# A mail server's answer can't be rolled back, so no transaction pretends to.
@subscribe(DeliveryQueued, transactional=False)
def send_queued_delivery(delivered: Delivered) -> None:
    services.send_delivery(
        delivery_id=UUID(delivered.payload["delivery_id"]), now=timezone.now()
    )
