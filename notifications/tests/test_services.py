from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.tests.factories import make_user
from core.models import OutboxEvent
from notifications import services
from notifications.constants import ORDER_PLACED
from notifications.exceptions import DeliveryNotRetryableError
from notifications.models import Delivery, Notification
from notifications.services._sending import TRANSITIONS

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
State = Delivery.State


def notify(*, event_id=None, recipient_id=None):
    services.notify(
        event_id=event_id or uuid4(),
        kind=ORDER_PLACED,
        subject_id=uuid4(),
        recipient_id=recipient_id,
    )
    return Delivery.objects.latest("id")


def test_notify_queues_one_mail_and_says_so_in_one_transaction():
    user = make_user()

    delivery = notify(recipient_id=user.pk)

    assert (delivery.channel, delivery.state) == ("email", "queued")
    assert delivery.notification.recipient_id == user.pk
    assert delivery.message_id == f"<{delivery.pk}@example.com>"
    event = OutboxEvent.objects.get(name="notifications.delivery_queued")
    assert event.payload == {"delivery_id": str(delivery.pk)}


@pytest.mark.parametrize("is_guest", [True, False])
def test_notify_twice_of_one_event_tells_once(is_guest):
    recipient_id = None if is_guest else make_user().pk
    event_id = uuid4()

    notify(event_id=event_id, recipient_id=recipient_id)
    notify(event_id=event_id, recipient_id=recipient_id)

    assert Notification.objects.count() == 1
    assert Delivery.objects.count() == 1
    assert OutboxEvent.objects.count() == 1


def test_the_database_refuses_a_second_notification_of_an_event():
    notification = notify().notification

    with pytest.raises(IntegrityError), transaction.atomic():
        Notification.objects.create(
            event_id=notification.event_id, kind="order_placed", subject_id=uuid4()
        )


def test_notify_writes_to_the_subjects_address_when_the_user_is_gone():
    delivery = notify(recipient_id=uuid4())

    assert delivery.notification.recipient_id is None


def test_send_delivery_sends_to_the_users_present_address(order):
    user = make_user(email="old@example.com", name="Anna", locale="de")
    delivery = notify(recipient_id=user.pk)
    User.objects.filter(pk=user.pk).update(email="new@example.com")

    services.send_delivery(delivery_id=delivery.pk, now=NOW)

    [message] = mail.outbox
    assert message.to == ["new@example.com"]
    assert message.extra_headers["Message-ID"] == delivery.message_id
    assert "55,87\u00a0€" in message.body
    delivery.refresh_from_db()
    assert (delivery.state, delivery.sent_at, delivery.attempts) == ("sent", NOW, 1)


def test_send_delivery_sends_to_a_guest_at_the_orders_address(order):
    delivery = notify()

    services.send_delivery(delivery_id=delivery.pk, now=NOW)

    [message] = mail.outbox
    assert message.to == ["guest@example.com"]


def test_send_delivery_sends_nothing_the_second_time(order):
    delivery = notify()
    services.send_delivery(delivery_id=delivery.pk, now=NOW)

    services.send_delivery(delivery_id=delivery.pk, now=NOW + timedelta(minutes=1))

    assert len(mail.outbox) == 1
    delivery.refresh_from_db()
    assert (delivery.sent_at, delivery.attempts) == (NOW, 1)


def test_send_delivery_gives_up_on_a_subject_that_is_gone(order):
    services.register_subject("order", lambda order_id: None)
    delivery = notify()

    services.send_delivery(delivery_id=delivery.pk, now=NOW)

    assert mail.outbox == []
    delivery.refresh_from_db()
    assert delivery.state == "undelivered"
    assert delivery.last_error


def test_send_delivery_notes_a_failure_and_raises_it_on(order, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    delivery = notify()

    with pytest.raises(ConnectionRefusedError):
        services.send_delivery(delivery_id=delivery.pk, now=NOW)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("queued", 1)
    assert delivery.last_error.startswith("ConnectionRefusedError: ")


def test_every_state_has_its_transitions():
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("current", State)
@pytest.mark.parametrize("to", State)
def test_record_outcome_never_moves_a_state_down(current, to):
    delivery = notify()
    sent_at = None if current == State.QUEUED else NOW
    Delivery.objects.update(state=current, sent_at=sent_at)
    later = NOW + timedelta(hours=1)

    is_moved = services.record_outcome(delivery_id=delivery.pk, state=to, now=later)

    up = {
        State.QUEUED: [State.SENT, State.DELIVERED, State.BOUNCED, State.UNDELIVERED],
        State.SENT: [State.DELIVERED, State.BOUNCED, State.UNDELIVERED],
    }
    assert is_moved == (to in up.get(current, []))
    delivery.refresh_from_db()
    assert delivery.state == (to if is_moved else current)
    assert delivery.sent_at == (sent_at or (later if is_moved else None))


def test_retry_delivery_queues_it_again():
    delivery = notify()

    services.retry_delivery(delivery_id=delivery.pk, now=NOW)

    events = OutboxEvent.objects.filter(name="notifications.delivery_queued")
    assert [event.aggregate_id for event in events] == [str(delivery.pk)] * 2


@pytest.mark.parametrize("state", [state for state in State if state != "queued"])
def test_retry_delivery_refuses_what_is_not_waiting(state):
    delivery = notify()
    Delivery.objects.update(state=state, sent_at=NOW)

    with pytest.raises(DeliveryNotRetryableError):
        services.retry_delivery(delivery_id=delivery.pk, now=NOW)
