from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.tests.factories import make_user
from core import audit
from core.models import AuditEntry, IdempotencyRecord, OutboxDelivery, OutboxEvent
from core.tests.administration import assert_cost_is_flat

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client):
    client.force_login(make_user(roles=("admin",)))
    return client


def make_event():
    return OutboxEvent.objects.create(name="t.happened", aggregate_id="1", payload={})


def make_delivery(**fields):
    event = make_event()
    return OutboxDelivery.objects.create(
        event=event,
        handler="t.handlers.act",
        aggregate_id="1",
        sequence=event.sequence,
        **fields,
    )


def make_audit_entry():
    user = make_user()
    return audit.record(user, "renamed", after={"name": "Anna"}, actor_id=user.pk)


def make_record():
    return IdempotencyRecord.objects.create(
        scope="user:1",
        route="POST /t",
        key=str(uuid4()),
        request_id="r",
        body=b"a secret",
        claimed_until=timezone.now(),
        expires_at=timezone.now(),
    )


@pytest.mark.parametrize(
    ("page", "make_row"),
    [
        ("outboxevent", make_event),
        ("outboxdelivery", make_delivery),
        ("auditentry", make_audit_entry),
        ("idempotencyrecord", make_record),
    ],
)
def test_a_list_costs_the_same_for_any_number_of_rows(boss, page, make_row):
    assert_cost_is_flat(boss, f"/admin/core/{page}/", make_row)


@pytest.mark.parametrize(
    ("page", "make_row"),
    [
        ("outboxevent", make_event),
        ("outboxdelivery", make_delivery),
        ("auditentry", make_audit_entry),
        ("idempotencyrecord", make_record),
    ],
)
def test_a_row_is_shown_and_not_edited(boss, page, make_row):
    address = f"/admin/core/{page}/{make_row().pk}/"

    assert boss.get(f"{address}change/").status_code == 200
    assert boss.post(f"{address}change/", {}).status_code == 403
    assert boss.post(f"{address}delete/", {}).status_code == 403


def test_an_entry_names_who_did_it(boss):
    make_audit_entry()
    AuditEntry.objects.create(subject_type="t", subject_id="1", action="swept")

    page = boss.get("/admin/core/auditentry/").text

    assert "@example.com" in page
    assert "The shop itself" in page


def test_a_stored_answer_is_not_shown(boss):
    record = make_record()

    assert (
        "secret"
        not in boss.get(f"/admin/core/idempotencyrecord/{record.pk}/change/").text
    )


def test_the_action_gives_dead_deliveries_their_attempts_back(boss):
    dead = make_delivery(status="dead", attempts=10)
    alive = make_delivery(attempts=3)
    chosen = {"action": "retry", "_selected_action": [str(dead.pk), str(alive.pk)]}

    page = boss.post("/admin/core/outboxdelivery/", chosen, follow=True)

    dead.refresh_from_db()
    alive.refresh_from_db()
    assert (dead.status, dead.attempts, alive.attempts) == ("pending", 0, 3)
    assert [str(m) for m in page.context["messages"]] == ["Waiting for delivery: 1."]


def test_support_does_not_see_the_machinery(client):
    client.force_login(make_user(roles=("support",)))

    assert client.get("/admin/core/auditentry/").status_code == 403
