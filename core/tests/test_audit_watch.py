"""What is removed before its seal shows, the end can't be cut off, and somebody looks."""

import logging
from datetime import timedelta

import pytest
import redis
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from config import doctor
from core import audit, audit_chain, audit_memory, audit_watch
from core.ids import first_uuid7
from core.models import AuditEntry, Switch
from core.tasks import verify_audit
from core.tests.test_audit_chain import by_force, entry_at, flaws, note, seal

pytestmark = pytest.mark.django_db
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _nothing_remembered():
    audit_memory.drop()
    yield
    audit_memory.drop()


@pytest.fixture
def _committing(monkeypatch):
    """Do at once what waits for the commit, which most tests never make."""
    monkeypatch.setattr(transaction, "on_commit", lambda callback, **_: callback())


def newest():
    return AuditEntry.objects.order_by("-pk").first()


def remove(entry_id):
    by_force("DELETE FROM core_auditentry WHERE id = %s", entry_id)


def check(**given):
    return audit_watch.check(now=timezone.now(), **given)


def errors(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]


def gauges(api):
    return {
        name.removeprefix("shopwright_audit_").removesuffix("_timestamp_seconds"): value
        for name, _, value in (
            line.partition(" ")
            for line in api.get("/metrics").content.decode().splitlines()
            if line.startswith("shopwright_audit_")
        )
    }


@pytest.mark.django_db(transaction=True)
class TestRemovedBeforeItsSeal:
    def test_shows(self, caplog):
        note(3)
        gone = newest().pk
        remove(gone)

        assert seal() == 3
        assert flaws() == [(3, "The entry is gone.")]
        assert entry_at(3) == gone
        assert any(str(gone) in said for said in errors(caplog))
        # Said once, in a chain that goes on.
        note(1)
        assert seal() == 1
        assert flaws() == [(3, "The entry is gone.")]

    def test_does_not_show_without_what_valkey_remembers(self):
        note(3)
        remove(newest().pk)
        audit_memory.drop()

        assert seal() == 2
        assert flaws() == []

    def test_shows_after_valkey_was_away(self, settings):
        url, settings.REDIS_URL = settings.REDIS_URL, NOWHERE
        note(2)
        remove(newest().pk)
        assert seal() == 1

        settings.REDIS_URL = url
        assert seal() == 1
        assert flaws() == [(2, "The entry is gone.")]

    def test_shows_where_the_database_made_the_entry(self):
        with transaction.atomic():
            audit.act_as(None)
            Switch.objects.create(name="deadlines", mode="off")
        made = newest()
        assert made.action == "row_insert"
        remove(made.pk)

        seal()

        assert flaws() == [(1, "The entry is gone.")]

    @pytest.mark.django_db
    @pytest.mark.usefixtures("_committing")
    def test_shows_where_the_database_was_made_to_write_nothing(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION hush() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM core_auditentry WHERE id = NEW.id; RETURN NULL; END'"
            )
            cursor.execute(
                "CREATE TRIGGER hush AFTER INSERT ON core_auditentry FOR EACH ROW EXECUTE FUNCTION hush()"
            )
            cursor.execute(
                "ALTER TABLE core_auditentry DISABLE TRIGGER core_auditentry_append_only"
            )
        note(1)

        seal()

        assert flaws() == [(1, "The entry is gone.")]

    def test_what_was_rolled_back_was_never_there(self):
        with transaction.atomic():
            note(1)
            transaction.set_rollback(True)

        assert seal() == 0
        assert flaws() == []

    def test_what_is_sealed_is_not_remembered(self):
        note(3)
        assert len(audit_memory.testimonies(10)) == 3

        audit_chain.seal_entries(now=timezone.now(), limit=2)

        assert audit_memory.testimonies(10) == [newest().pk]


@pytest.mark.usefixtures("_committing")
class TestWhileNobodySealed:
    def test_nothing_becomes_suspicious(self):
        note(1)
        seal()
        audit_memory.remember(
            drained_at=(timezone.now() - timedelta(hours=5)).timestamp()
        )
        plant(timezone.now() - timedelta(hours=4))

        assert check()
        assert audit_watch.status()["status"] == "whole"
        assert seal() == 1
        assert flaws() == []

    def test_what_was_told_is_sealed_however_late(self):
        note(1)
        seal()
        late = plant(timezone.now() - timedelta(hours=4))
        audit_memory.testify(late.pk)

        assert seal() == 1


def plant(moment):
    return AuditEntry.objects.create(
        id=first_uuid7(moment),
        subject_type="a",
        subject_id="1",
        action="planted",
        created_at=moment,
    )


@pytest.mark.usefixtures("_committing")
class TestCheck:
    def test_finds_a_whole_log_whole(self, api, caplog):
        assert audit_watch.status()["status"] == "unchecked"
        assert gauges(api) == {}
        note(3)
        seal()

        verify_audit()

        assert audit_watch.status()["status"] == "whole"
        assert audit_watch.status()["broken_since"] is None
        shown = gauges(api)
        assert shown["broken_since"] == "0.0"
        assert float(shown["checked"]) == pytest.approx(
            timezone.now().timestamp(), abs=60
        )
        assert shown["whole_round"] == shown["checked"]
        assert errors(caplog) == []

    def test_tells_everywhere_that_the_log_is_broken(self, api, caplog, settings):
        settings.METRICS_TOKEN = "s3cret"  # noqa: S105 -- of this test alone
        note(3)
        seal()
        remove(entry_at(2))

        check()

        [said] = errors(caplog)
        assert "The entry is gone." in said
        bearer = {"Authorization": "Bearer s3cret"}
        told = api.get("/health/details", headers=bearer).json()["audit"]
        assert told == audit_watch.status()
        assert told["status"] == "broken"
        with pytest.raises(doctor.UnwellError, match=told["broken_since"][:19]):
            doctor.check_audit()
        settings.METRICS_TOKEN = ""
        assert float(gauges(api)["broken_since"]) > 0

    def test_stays_broken_until_a_whole_round_finds_nothing(self):
        note(2)
        seal()
        entry = newest()
        remove(entry.pk)
        check()
        since = audit_watch.status()["broken_since"]
        check()
        assert audit_watch.status()["broken_since"] == since

        # As from a backup.
        entry.save(force_insert=True)
        check(seconds=0)
        assert audit_watch.status()["status"] == "broken"
        check()

        assert audit_watch.status()["status"] == "whole"

    def test_goes_on_where_the_run_before_stopped(self, monkeypatch, caplog):
        monkeypatch.setattr(audit_chain, "BATCH", 2)
        note(5)
        while seal():
            pass
        remove(entry_at(3))
        rounds = [check(seconds=0) for _ in range(3)]

        assert rounds == [False, False, False]
        assert audit_memory.recall().walked_position == 5
        assert len(errors(caplog)) == 1
        # Along the log, where a minute ago is not old.
        assert check(seconds=0)
        assert audit_memory.recall().walked_position == 0
        assert audit_watch.status()["status"] == "broken"

    def test_trusts_the_seal_it_remembers_and_not_the_row(self, monkeypatch):
        monkeypatch.setattr(audit_chain, "BATCH", 2)
        note(4)
        while seal():
            pass
        check(seconds=0)
        by_force("UPDATE core_auditseal SET digest = 'x' WHERE position = 2")

        # The next run takes the digest from Valkey, the round after sees the row.
        check()
        assert audit_watch.status()["status"] == "whole"
        check()
        assert audit_watch.status()["status"] == "broken"

    def test_finds_what_was_put_in_later(self, monkeypatch):
        monkeypatch.setattr(audit_chain, "BATCH", 1)
        note(1)
        seal()
        plant(timezone.now() - timedelta(hours=4))
        plant(timezone.now() - timedelta(hours=3))

        assert [check(seconds=0) for _ in range(4)] == [False] * 3 + [True]

        assert audit_watch.status()["status"] == "broken"

    @pytest.mark.parametrize("anew", [False, True])
    def test_finds_that_the_end_was_cut_off(self, anew, capsys):
        note(3)
        seal()
        remove(entry_at(3))
        by_force("DELETE FROM core_auditseal WHERE position = 3")
        if anew:
            note(5)
            seal()

        check()
        assert audit_watch.status()["status"] == "broken"
        check()
        assert audit_watch.status()["status"] == "broken"
        with pytest.raises(SystemExit):
            call_command("verify_audit")
        assert capsys.readouterr().err.startswith("Position 3")

        call_command("verify_audit", "--forget")
        check()
        assert audit_watch.status()["status"] == "whole"

    def test_names_a_few_and_counts_the_others(self, caplog, monkeypatch):
        monkeypatch.setattr(audit_watch, "MOST_NAMED", 2)
        note(5)
        seal()
        by_force("DELETE FROM core_auditentry")

        check()

        assert len(errors(caplog)) == 3
        assert "'count': 3" in errors(caplog)[-1]

    def test_without_valkey_is_tried_again_and_shown_as_unknown(self, settings, api):
        settings.REDIS_URL = NOWHERE

        with pytest.raises(redis.RedisError):
            check()
        assert audit_watch.status()["status"] == "unknown"
        assert gauges(api) == {}
