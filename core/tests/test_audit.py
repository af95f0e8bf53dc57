from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction

from core import audit
from core.models import AuditEntry, OutboxEvent
from core.request_ids import enter_request, leave_request

pytestmark = pytest.mark.django_db


@pytest.fixture
def event():
    return OutboxEvent.objects.create(name="a.b", aggregate_id="1", payload={})


def test_record_says_who_changed_what_in_which_request(event):
    actor_id = uuid4()
    token = enter_request("request-1")

    entry = audit.record(
        event, "renamed", before={"name": "a"}, after={"name": "b"}, actor_id=actor_id
    )

    leave_request(token)
    assert AuditEntry.objects.filter(
        pk=entry.pk,
        subject_type="core.outboxevent",
        subject_id=str(event.pk),
        action="renamed",
        actor_id=actor_id,
        request_id="request-1",
        before={"name": "a"},
        after={"name": "b"},
    ).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuditEntry.objects.update(action="forged"),
        lambda: AuditEntry.objects.all().delete(),
    ],
)
def test_entries_can_be_neither_changed_nor_deleted(event, change):
    audit.record(event, "renamed")

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()

    assert AuditEntry.objects.get().action == "renamed"
