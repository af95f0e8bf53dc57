from uuid import uuid4

import pytest

from accounts.tests.factories import make_user
from core.models import OutboxEvent
from core.outbox import MAX_ATTEMPTS
from core.tests.administration import assert_cost_is_flat
from notifications import services
from notifications.constants import ORDER_PLACED
from notifications.models import Delivery

pytestmark = pytest.mark.django_db
DELIVERIES = "/admin/notifications/delivery/"
NOTIFICATIONS = "/admin/notifications/notification/"


@pytest.fixture
def boss(client):
    client.force_login(make_user(roles=("admin",)))
    return client


def make_delivery(**fields):
    services.notify(
        event_id=uuid4(),
        kind=ORDER_PLACED,
        subject_id=uuid4(),
        recipient_id=make_user().pk,
    )
    delivery = Delivery.objects.latest("id")
    Delivery.objects.filter(pk=delivery.pk).update(**fields)
    return delivery


@pytest.mark.parametrize("address", [DELIVERIES, NOTIFICATIONS])
def test_a_list_costs_the_same_for_any_number_of_rows(boss, address):
    assert_cost_is_flat(boss, address, make_delivery)


def test_what_was_given_up_is_found(boss):
    make_delivery(attempts=MAX_ATTEMPTS, message_id="<dead@example.com>")
    make_delivery(attempts=1, message_id="<alive@example.com>")

    page = boss.get(f"{DELIVERIES}?given_up=yes").context["cl"]

    assert [one.message_id for one in page.result_list] == ["<dead@example.com>"]


def test_rows_are_shown_and_not_edited(boss):
    delivery = make_delivery(last_error="451 try later")

    assert "451 try later" in boss.get(f"{DELIVERIES}{delivery.pk}/change/").text
    assert boss.post(f"{DELIVERIES}{delivery.pk}/change/", {}).status_code == 403
    assert boss.post(f"{DELIVERIES}{delivery.pk}/delete/", {}).status_code == 403
    notification = f"{NOTIFICATIONS}{delivery.notification_id}/change/"
    assert "451 try later" in boss.get(notification).text


def test_the_action_queues_again_and_says_why_it_did_not(boss):
    dead = make_delivery(attempts=MAX_ATTEMPTS)
    done = make_delivery(state="undelivered")
    OutboxEvent.objects.all().delete()

    page = boss.post(
        DELIVERIES,
        {"action": "retry", "_selected_action": [str(dead.pk), str(done.pk)]},
        follow=True,
    )

    assert [e.aggregate_id for e in OutboxEvent.objects.all()] == [str(dead.pk)]
    told = [str(message) for message in page.context["messages"]]
    assert told == ["email undelivered: It is undelivered.", "Queued again: 1."]


def test_support_does_not_see_deliveries(client):
    client.force_login(make_user(roles=("support",)))

    assert client.get(DELIVERIES).status_code == 403
