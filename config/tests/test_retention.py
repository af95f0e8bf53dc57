"""What is too old goes, what is not stays: class by class of the settings' table."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session as AdminSession
from django.core.files.storage import FileSystemStorage
from django.utils import timezone

from accounts.constants import ActivityKind
from accounts.models import (
    AccountRequest,
    AccountToken,
    ActivityEntry,
    Ceremony,
    Export,
    Session,
)
from accounts.services import record_activity
from accounts.tests.factories import make_tokens, make_user
from catalog.models import ImportIssue, ImportJob
from config.settings._celery import SCHEDULE
from core import retention
from core.models import IdempotencyRecord, OutboxEvent
from core.protection.counters import counters
from core.tasks import apply_retention
from notifications.models import Notification
from orders.models import Cart

NOW = timezone.now()
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def files(monkeypatch, tmp_path):
    field = Export._meta.get_field("file")  # noqa: SLF001 -- Django's public API
    monkeypatch.setattr(field, "storage", FileSystemStorage(tmp_path))


def make_session(at):
    make_tokens(make_user())
    newest = Session.objects.order_by("-pk").first()
    Session.objects.filter(pk=newest.pk).update(ended_at=at, end_reason="signed_out")


def make_answer(at):
    IdempotencyRecord.objects.create(
        scope="user:1",
        route="POST /",
        key=str(uuid4()),
        fingerprint="f",
        request_id="r",
        claimed_until=at,
        # It is the record that knows its end.
        expires_at=at + settings.RETENTION["answers"],
    )


def make_event(at):
    OutboxEvent.objects.create(
        name="a.b", aggregate_id="1", payload={}, occurred_at=at, dispatched_at=at
    )


def make_export(at, status=Export.Status.EXPIRED):
    Export.objects.create(user=make_user(), status=status, created_at=at)


def make_export_file(at):
    kept = settings.RETENTION["export_files"]
    Export.objects.create(
        user=make_user(),
        status=Export.Status.READY,
        file="exports/a.zip",
        created_at=at,
        expires_at=at + kept,
    )


def make_import(at):
    job = ImportJob.objects.create(file_name="a.csv", currency="EUR", finished_at=at)
    ImportIssue.objects.create(job=job, severity="error", line=1, code="a", message="b")


def make_ceremony(at):
    Ceremony.objects.create(kind="mfa", binding=b"", expires_at=at)


def make_link(at):
    return AccountToken.objects.create(
        user=make_user(), purpose="reset_password", created_at=at, expires_at=at
    )


MAKERS = {
    "answers": (IdempotencyRecord.objects.all(), make_answer),
    "carts": (Cart.objects.all(), lambda at: Cart.objects.create(updated_at=at)),
    "sessions": (Session.objects.all(), make_session),
    "sign_in_steps": (Ceremony.objects.all(), make_ceremony),
    "mailed_links": (AccountToken.objects.all(), make_link),
    "account_requests": (
        AccountRequest.objects.all(),
        lambda at: AccountRequest.objects.create(
            kind="reset", payload="{}", created_at=at
        ),
    ),
    "admin_sessions": (
        AdminSession.objects.all(),
        lambda at: AdminSession.objects.create(
            session_key=uuid4().hex, session_data="", expire_date=at
        ),
    ),
    "activity": (
        ActivityEntry.objects.filter(kind=ActivityKind.SIGNED_IN),
        lambda at: record_activity(
            user_id=make_user().pk, kind=ActivityKind.SIGNED_IN, device=None, now=at
        ),
    ),
    "exports": (Export.objects.all(), make_export),
    "export_files": (Export.objects.exclude(file=""), make_export_file),
    "notifications": (
        Notification.objects.all(),
        lambda at: Notification.objects.create(
            event_id=uuid4(), kind="k", subject_id=uuid4(), created_at=at
        ),
    ),
    "events": (OutboxEvent.objects.filter(name="a.b"), make_event),
    "imports": (ImportJob.objects.all(), make_import),
}
SERVED_BY_ANOTHER = {"answers_to_payments": "answers"}


def test_every_class_has_its_line_its_remover_and_its_test():
    assert set(settings.RETENTION) == retention.classes()
    assert set(MAKERS) | set(SERVED_BY_ANOTHER) == retention.classes()


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_too_old_goes_and_the_rest_stays(name):
    rows, make = MAKERS[name]
    kept = settings.RETENTION[name]
    make(NOW - kept - timedelta(minutes=1))
    make(NOW - kept + timedelta(minutes=1))
    assert rows.count() == 2

    removed = retention.apply(now=NOW)

    assert rows.count() == 1
    assert {n: count for n, count in removed.items() if count} == {name: 1}


def test_what_is_under_way_is_never_too_old():
    long_ago = NOW - timedelta(days=5000)
    make_export(long_ago, Export.Status.RUNNING)
    ImportJob.objects.create(file_name="a.csv", currency="EUR", created_at=long_ago)
    make_tokens(make_user())

    assert not any(retention.apply(now=NOW).values())


def test_removing_goes_on_batch_by_batch(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        make_ceremony(NOW - timedelta(days=1))

    assert retention.apply(now=NOW)["sign_in_steps"] == 5


def test_one_run_ends_after_so_many_batches(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 1)
    monkeypatch.setattr(retention, "MAX_BATCHES", 2)
    for _ in range(5):
        make_ceremony(NOW - timedelta(days=1))

    assert retention.apply(now=NOW)["sign_in_steps"] == 2


def test_a_class_that_fails_holds_up_no_other(monkeypatch):
    def fail(now, limit):
        raise RuntimeError("broken")

    monkeypatch.setitem(retention._removers, "carts", fail)  # noqa: SLF001 -- breaks one on purpose
    make_ceremony(NOW - timedelta(days=1))
    make_import(NOW - timedelta(days=5000))

    with pytest.raises(ExceptionGroup) as error:
        retention.apply(now=NOW)

    assert [str(one) for one in error.value.exceptions] == ["broken"]
    assert not Ceremony.objects.exists()
    assert not ImportJob.objects.exists()


def test_the_task_counts_what_it_removed(monkeypatch):
    counted = {}
    monkeypatch.setattr(counters, "add_many", counted.update)
    monkeypatch.setattr(counters, "flush", lambda: None)
    make_ceremony(NOW - timedelta(days=1))

    apply_retention()

    assert counted["retention|sign_in_steps"] == 1
    assert "core.tasks.apply_retention" in SCHEDULE


def test_a_class_has_one_remover():
    with pytest.raises(ValueError, match="carts has a remover"):
        retention.remove_by("carts", lambda now, limit: 0)
