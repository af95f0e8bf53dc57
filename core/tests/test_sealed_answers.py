"""What is kept for a key rests encrypted; what was kept in clear is sealed by migration."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from core.encryption import TamperedError
from core.models import IdempotencyRecord

BODY = b'{"city": "Berlin"}'
BEFORE = [("core", "0014_seed_limit_of_leaving")]


def keep_answer(key, **fields):
    now = timezone.now()
    return IdempotencyRecord.objects.create(
        scope="s",
        route="r",
        key=key,
        fingerprint="f",
        request_id="q",
        claimed_until=now,
        expires_at=now + timedelta(hours=1),
        **fields,
    )


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM core_idempotencyrecord ORDER BY key")
        return [row[0] and bytes(row[0]) for row in cursor.fetchall()]


def migrate(targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return executor.loader.project_state(targets).apps


@pytest.fixture
def newest(transactional_db):
    executor = MigrationExecutor(connection)
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "core"]
    yield targets
    migrate(targets)


@pytest.mark.django_db
def test_an_answer_opens_in_its_own_record_only():
    keep_answer("a", body=BODY)
    keep_answer("b", body=b"other")
    assert BODY not in stored()[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_idempotencyrecord SET body ="
            " (SELECT body FROM core_idempotencyrecord WHERE key = 'b')"
        )

    with pytest.raises(TamperedError, match="core_idempotencyrecord body"):
        _ = IdempotencyRecord.objects.get(key="a").body
    assert IdempotencyRecord.objects.get(key="b").body == b"other"


def test_the_migration_of_answers_goes_there_and_back(newest):
    keep_answer("a", body=BODY)
    keep_answer("b", body=b"")
    keep_answer("c", body=None)

    migrate(BEFORE)
    assert stored() == [BODY, b"", b""]

    migrate(newest)
    assert all(body.startswith(b"test:") for body in stored())
    assert [record.body for record in IdempotencyRecord.objects.order_by("key")] == [
        BODY,
        b"",
        b"",
    ]
