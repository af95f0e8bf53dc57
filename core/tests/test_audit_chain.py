import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from core import audit, audit_chain, audit_memory
from core.ids import first_uuid7
from core.models import AuditEntry, AuditSeal, Switch
from core.tests.racing import race

NOW = timezone.now()
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_remembered():
    audit_memory.drop()
    yield
    audit_memory.drop()


def note(count):
    for number in range(count):
        audit.record(Switch(), "noted", after={"number": number})


def seal():
    return audit_chain.seal_entries(now=timezone.now())


def by_force(statement, *values):
    """Do what only the database's owner can: past the triggers that refuse it."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, values)
        cursor.execute("SET session_replication_role = origin")


def flaws(**given):
    return [(flaw.position, flaw.said) for flaw in audit_chain.verify(**given)[1]]


def entry_at(position):
    return AuditSeal.objects.get(position=position).entry_id


def test_a_whole_chain_has_no_flaw():
    note(3)
    assert seal() == 3
    note(2)
    assert seal() == 2
    assert seal() == 0

    assert audit_chain.verify() == (5, [])


def test_a_long_chain_is_walked_in_batches(monkeypatch):
    note(5)
    seal()
    monkeypatch.setattr(audit_chain, "BATCH", 2)

    assert audit_chain.verify() == (5, [])


@pytest.mark.parametrize(
    "change",
    [
        "action = 'forged'",
        "actor_id = gen_random_uuid()",
        "request_id = 'other'",
        "before = '{\"a\": 1}'",
        "after = '{}'",
        "subject_id = 'other'",
        "subject_type = 'other'",
        "created_at = created_at + interval '1 microsecond'",
    ],
)
def test_a_changed_entry_shows(change):
    note(3)
    seal()

    update = "UPDATE core_auditentry SET {} WHERE id = %s"
    by_force(update.format(change), entry_at(2))

    assert flaws() == [(2, "The entry was changed.")]


def test_a_removed_entry_shows():
    note(3)
    seal()

    by_force("DELETE FROM core_auditentry WHERE id = %s", entry_at(2))

    assert flaws() == [(2, "The entry is gone.")]


def test_an_entry_removed_with_its_seal_shows():
    note(3)
    seal()

    by_force("DELETE FROM core_auditentry WHERE id = %s", entry_at(2))
    by_force("DELETE FROM core_auditseal WHERE position = 2")

    assert flaws()[0] == (3, "1 seals before it are gone.")


def test_exchanged_entries_show():
    note(3)
    seal()
    first, second = entry_at(1), entry_at(2)

    by_force("UPDATE core_auditseal SET entry_id = %s WHERE position = 1", uuid4())
    by_force("UPDATE core_auditseal SET entry_id = %s WHERE position = 2", first)
    by_force("UPDATE core_auditseal SET entry_id = %s WHERE position = 1", second)

    assert {position for position, _ in flaws()} == {1, 2}


def test_a_cut_off_end_shows_against_the_log():
    note(3)
    seal()
    digest = bytes(AuditSeal.objects.get(position=3).digest).hex()
    assert flaws(expected={3: digest}) == []
    assert flaws(expected={3: "00" * 32}) == [(3, "The seal isn't the one in the log.")]

    by_force("DELETE FROM core_auditentry WHERE id = %s", entry_at(3))
    by_force("DELETE FROM core_auditseal WHERE position = 3")

    assert flaws() == []
    assert flaws(expected={3: digest}) == [(3, "The chain ends before it.")]


def test_a_chain_that_was_made_anew_shows_against_the_log():
    note(3)
    seal()
    digest = bytes(AuditSeal.objects.get(position=3).digest).hex()

    by_force("UPDATE core_auditentry SET action = 'forged' WHERE id = %s", entry_at(1))
    by_force("DELETE FROM core_auditseal")
    audit_chain.seal_entries(now=NOW)

    assert flaws() == []
    assert flaws(expected={3: digest}) == [(3, "The seal isn't the one in the log.")]


def test_an_entry_put_in_later_shows():
    note(1)
    seal()
    past = timezone.now() - timedelta(days=1)
    AuditEntry.objects.create(
        id=first_uuid7(past),
        subject_type="a",
        subject_id="1",
        action="planted",
        created_at=past,
    )

    assert seal() == 0
    assert flaws() == [(0, "The entry was put in later: it is old and has no seal.")]


def test_an_entry_that_committed_late_is_sealed():
    note(1)
    seal()
    moment = timezone.now() - timedelta(minutes=5)
    AuditEntry.objects.create(
        id=first_uuid7(moment),
        subject_type="a",
        subject_id="1",
        action="late",
        created_at=moment,
    )

    assert seal() == 1
    assert flaws() == []


@pytest.mark.django_db(transaction=True)
def test_jobs_at_once_make_one_chain():
    note(50)

    outcomes = race([seal] * 8)

    assert sum(outcomes) == 50
    assert audit_chain.verify() == (50, [])


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_jobs_at_once_collide(monkeypatch):
    note(50)
    locks = iter(f"lock {number}" for number in range(100))

    def seal_alone():
        monkeypatch.setattr(audit_chain, "_LOCK", next(locks))
        return audit_chain.seal_entries(now=NOW)

    for _ in range(5):
        note(50)
        outcomes = race([seal_alone] * 8)
        if any(isinstance(outcome, DatabaseError) for outcome in outcomes):
            return
    raise AssertionError("The control found nothing to collide.")


@pytest.mark.parametrize("table", ["core_auditentry", "core_auditseal"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}"])
def test_log_and_chain_can_be_neither_thinned_nor_emptied(table, statement):
    note(1)
    seal()
    with connection.cursor() as cursor:
        # Tests have it off, to empty tables themselves.
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_no_truncate")

    message = f"{table} is append-only"
    with (
        pytest.raises(DatabaseError, match=message),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))


def test_command_says_that_all_is_well(capsys):
    note(2)

    call_command("verify_audit")

    assert capsys.readouterr().out == "The audit log is whole: 2 entries.\n"


def test_command_names_each_flaw_and_fails(capsys):
    note(2)
    seal()
    entry_id = entry_at(1)
    by_force("DELETE FROM core_auditentry WHERE id = %s", entry_id)

    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit", "--expect", f"9:{'0' * 64}")

    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        f"Position 1, entry {entry_id}: The entry is gone.",
        "Position 9: The chain ends before it.",
    ]


def test_command_refuses_a_seal_that_is_none():
    with pytest.raises(CommandError, match=re.escape("isn't of the form POSITION")):
        call_command("verify_audit", "--expect", "abc")
