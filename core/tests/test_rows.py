from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from core.models import IdempotencyRecord, OutboxEvent
from core.rows import fetch, insert, insert_all, update

pytestmark = pytest.mark.django_db


def record(key="k") -> IdempotencyRecord:
    now = timezone.now()
    return IdempotencyRecord(
        scope="s",
        route="r",
        key=key,
        fingerprint="f",
        request_id="q",
        headers={"Content-Type": "text/plain", "Ünï": ["%s", None]},
        body=b"\x00\xff",
        claimed_until=now,
        expires_at=now + timedelta(hours=1),
    )


def values(instance):
    fields = instance._meta.concrete_fields  # noqa: SLF001 -- Django documents _meta
    return {field.attname: getattr(instance, field.attname) for field in fields}


def test_an_inserted_row_is_what_the_orm_reads():
    new = record()

    assert insert(new) is True

    assert not new._state.adding  # noqa: SLF001 -- what save() says
    assert values(IdempotencyRecord.objects.get()) == values(new)


def test_a_fetched_row_is_what_the_orm_wrote():
    new = record()
    new.save(force_insert=True)
    record("other").save()

    [found] = fetch(IdempotencyRecord, "WHERE t.key = %(key)s", {"key": "k"})

    assert values(found) == values(new)
    found.key = "changed"
    found.save(update_fields=["key"])
    assert IdempotencyRecord.objects.get(pk=new.pk).key == "changed"


def test_insert_reads_what_the_database_fills_in():
    events = [OutboxEvent(name="n", aggregate_id=str(n), payload={}) for n in (1, 2)]
    for event in events:
        insert(event)

    stored = OutboxEvent.objects.order_by("sequence")
    assert [row.sequence for row in stored] == [row.sequence for row in events]
    assert events[0].sequence < events[1].sequence


def test_insert_fails_as_the_orm_does_unless_told_what_to_do_about_a_conflict():
    insert(record())

    with pytest.raises(IntegrityError), transaction.atomic():
        insert(record())
    assert insert(record(), conflict="ON CONFLICT DO NOTHING") is False


@pytest.mark.parametrize("count", [0, 1, 3])
def test_insert_all_writes_any_number_by_one_statement(
    django_assert_num_queries, count
):
    events = [
        OutboxEvent(name="n", aggregate_id=str(n), payload={"n": n, "é": None})
        for n in range(count)
    ]

    with django_assert_num_queries(min(count, 1)):
        insert_all(events)

    stored = OutboxEvent.objects.order_by("sequence")
    assert [row.payload for row in stored] == [row.payload for row in events]
    assert [row.pk for row in stored] == [row.pk for row in events]


def test_update_writes_the_named_fields_only():
    new = record()
    insert(new)
    new.key, new.headers, new.scope = "changed", {"a": 1}, "not named"

    update(new, "key", "headers")

    stored = IdempotencyRecord.objects.get()
    assert (stored.key, stored.headers, stored.scope) == ("changed", {"a": 1}, "s")


def test_update_of_a_row_that_is_gone_fails():
    with pytest.raises(DatabaseError, match="not there"):
        update(record(), "key")
