"""From an order to the mail server, over the outbox and a real socket."""

from datetime import timedelta
from email import message_from_bytes, policy
from time import monotonic
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.tests.factories import make_user
from core import outbox
from core.events import publish
from core.models import OutboxDelivery
from core.protection.breaker import State, get_breaker, is_mail_failure
from core.tests.delivery import deliver_all
from notifications import services
from notifications.models import Delivery, Notification
from notifications.tests.smtp_sink import running_smtp_sink
from orders.events import OrderPlaced

pytestmark = pytest.mark.django_db


@pytest.fixture
def smtp(settings):
    with running_smtp_sink() as sink:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
        yield sink


@transaction.atomic
def place_order(*, user_id=None):
    publish(
        OrderPlaced(
            order_id=uuid4(),
            number="SW-100001",
            user_id=user_id,
            total_amount=5587,
            currency="EUR",
        )
    )


def sending():
    return OutboxDelivery.objects.filter(
        handler="notifications.handlers.send_queued_delivery"
    )


def deliver_as_hours_pass():
    moment = timezone.now()
    for _ in range(30):
        moment += outbox.LONGEST_RETRY
        for delivery_id in outbox.relay_pending(now=moment):
            outbox.deliver(delivery_id, now=moment)


def test_an_order_is_confirmed_by_one_mail(order, smtp):
    place_order(user_id=make_user(email="anna@example.com").pk)

    deliver_all()

    [raw] = smtp.messages
    message = message_from_bytes(raw, policy=policy.default)
    delivery = Delivery.objects.get()
    assert delivery.state == "sent"
    assert message["To"] == "anna@example.com"
    assert message["Subject"] == "Your Shopwright order SW-100001"
    assert message["Message-ID"] == delivery.message_id
    assert message.get_content_type() == "multipart/alternative"


def test_redelivery_of_every_event_sends_no_second_mail(order, smtp):
    place_order()
    deliver_all()

    OutboxDelivery.objects.update(status="pending", delivered_at=None)
    deliver_as_hours_pass()

    assert not OutboxDelivery.objects.filter(status="pending").exists()
    assert Notification.objects.count() == 1
    assert len(smtp.messages) == 1


def test_a_refusing_server_is_tried_again_with_the_same_message_id(order, smtp):
    smtp.refusal = b"451 try later\r\n"
    place_order()
    deliver_all(tolerate_failures=True)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("queued", 1)
    assert "451" in delivery.last_error

    smtp.refusal = b""
    deliver_as_hours_pass()

    [raw] = smtp.messages
    assert message_from_bytes(raw)["Message-ID"] == delivery.message_id
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.last_error) == ("sent", 2, "")


def test_each_wait_is_longer_until_the_delivery_is_dead(order, smtp):
    smtp.refusal = b"451 try later\r\n"
    place_order()

    deliver_as_hours_pass()

    assert sending().get().status == "dead"
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("queued", outbox.MAX_ATTEMPTS)
    assert smtp.connections == outbox.MAX_ATTEMPTS
    waits = [outbox.FIRST_RETRY * 2**n for n in range(outbox.MAX_ATTEMPTS - 1)]
    assert sum(waits, timedelta()) < timedelta(minutes=30)
    # The order's own event was handled: its confirmation failing is no business of it.
    notifying = OutboxDelivery.objects.exclude(pk=sending().get().pk)
    assert {one.status for one in notifying} == {"delivered"}


def test_a_dead_mail_is_sent_when_it_is_retried_by_hand(order, smtp):
    smtp.refusal = b"451 try later\r\n"
    place_order()
    deliver_as_hours_pass()
    smtp.refusal = b""

    services.retry_delivery(delivery_id=Delivery.objects.get().pk, now=timezone.now())
    deliver_all(tolerate_failures=True)

    assert len(smtp.messages) == 1
    assert Delivery.objects.get().state == "sent"
    assert sending().get().status == "delivered"


def test_while_the_mail_server_is_out_mails_wait_without_losing_attempts(
    order, smtp, breakers_on, monkeypatch
):
    breaker = get_breaker("mail.send", judge=is_mail_failure)
    # It stays open for 4 to 5 s. On a busy machine those run out, or to another whole
    # number, while the mails are still being tried.
    moment = monotonic()
    monkeypatch.setattr(breaker, "_clock", lambda: moment)
    smtp.refusal = b"451 try later\r\n"
    for _ in range(14):
        place_order()
    begun = timezone.now()
    deliver_all(tolerate_failures=True)
    ended = timezone.now()

    # Ten failures opened the circuit; the others were not even tried.
    assert smtp.connections == 10
    assert sorted(Delivery.objects.values_list("attempts", flat=True)) == [
        *([0] * 4),
        *([1] * 10),
    ]
    waiting = sending().filter(attempts=0)
    assert waiting.count() == 4
    assert {(one.status, one.last_error) for one in waiting} == {
        ("pending", "mail.send isn't asked for 5 s.")
    }
    wait = timedelta(seconds=5)
    for one in waiting:
        assert begun + wait <= one.next_attempt_at <= ended + 1.5 * wait

    smtp.refusal = b""
    breaker.move(State.CLOSED)
    deliver_as_hours_pass()

    assert len(smtp.messages) == 14
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
