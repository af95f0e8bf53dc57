import base64
import io
import json
import signal
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import IntegrityError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from accounts import services
from accounts.auth import make_export_token
from accounts.constants import EXPORT_LINK_LIFETIME, ActivityKind
from accounts.models import ActivityEntry, Export, Session, User
from accounts.selectors import open_export
from accounts.services import _exports
from accounts.tests.factories import make_user
from core import rotation
from core.personal_data import holdings
from core.tests.processes import running
from core.tests.racing import race

Status = Export.Status
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    """A folder for the files, and no broker: tests run the task themselves."""
    field = Export._meta.get_field("file")  # noqa: SLF001 -- Django's public API
    monkeypatch.setattr(field, "storage", FileSystemStorage(tmp_path / "private"))
    monkeypatch.setattr(_exports.broker, "enqueue", lambda *_, **__: False)
    return tmp_path / "private"


def run(export, *, now=None):
    services.run_export(
        export_id=export.pk, shop="Harbour", clock=lambda: now or timezone.now()
    )
    export.refresh_from_db()
    return export


def request(user):
    return services.request_export(user=user, device=None, now=timezone.now())


def ready_export(user):
    return run(request(user))


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def archive_of(export):
    content = b"".join(open_export(export).content)
    return zipfile.ZipFile(io.BytesIO(content))


def test_export_holds_a_file_for_each_table(customer):
    export = ready_export(customer)

    archive = archive_of(export)
    assert export.status == Status.READY
    assert export.parts_done == export.parts_total == len(holdings())
    assert sorted(archive.namelist()) == sorted(
        ["README.txt", *(f"{holding.name}.json" for holding in holdings())]
    )
    (profile,) = json.loads(archive.read("profile.json"))
    assert profile["email"] == customer.email
    assert "password" not in profile
    assert "What Harbour holds on you" in archive.read("README.txt").decode()


def test_export_shows_the_person_alone(customer, stranger):
    make_user(email="other@example.com")

    archive = archive_of(ready_export(customer))

    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert stranger.email.encode() not in everything
    assert str(stranger.pk).encode() not in everything


def test_a_second_request_is_answered_by_the_first(customer):
    first = request(customer)

    assert request(customer) == first
    run(first)
    assert request(customer) != first
    entries = ActivityEntry.objects.filter(kind=ActivityKind.EXPORT_REQUESTED)
    assert entries.count() == 2


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_make_one_export():
    user = make_user()

    outcomes = race([lambda: request(user)] * 8)

    assert len({export.pk for export in outcomes}) == 1
    assert Export.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_requests_at_once_fail(monkeypatch):
    user = make_user()
    manager = User.objects
    monkeypatch.setattr(
        type(manager), "select_for_update", lambda self, **_: self.get_queryset()
    )

    outcomes = race([lambda: request(user)] * 8)

    assert any(isinstance(outcome, IntegrityError) for outcome in outcomes)


@pytest.mark.parametrize("status", Status)
def test_an_export_is_claimed_only_while_it_is_open(customer, status):
    export = make_export(customer, status)

    run(export)

    may = Status.READY in Export.TRANSITIONS[status] or any(
        Status.READY in Export.TRANSITIONS[between]
        for between in Export.TRANSITIONS[status]
    )
    assert (export.status == Status.READY) is (may or status == Status.READY)


def make_export(user, status, **fields):
    """Put an export into a state; one that is ready has a file."""
    is_ready = status == Status.READY
    defaults = {
        "created_at": timezone.now(),
        "file": "exports/made.zip" if is_ready else "",
        "expires_at": timezone.now() + settings.RETENTION["export_files"]
        if is_ready
        else None,
    }
    return Export.objects.create(user=user, status=status, **defaults | fields)


def test_transitions_name_every_status():
    assert set(Export.TRANSITIONS) == set(Status)


def test_an_export_that_somebody_works_on_is_left_alone(customer):
    until = timezone.now() + timedelta(seconds=30)
    export = make_export(
        customer, Status.RUNNING, lease_token=uuid4(), lease_until=until
    )

    run(export)

    assert (export.status, export.attempts) == (Status.RUNNING, 0)
    assert services.resume_exports(now=timezone.now()) == 0
    assert services.resume_exports(now=until) == 1


def test_a_worker_that_lost_its_lease_leaves_no_file(customer, private, monkeypatch):
    export = request(customer)
    write_part = _exports._write_part  # noqa: SLF001 -- the moment in between

    def lose_lease(*arguments):
        write_part(*arguments)
        Export.objects.update(lease_token=uuid4())

    monkeypatch.setattr(_exports, "_write_part", lose_lease)

    run(export)

    assert export.status == Status.RUNNING
    assert files(private) == []


KILLED = """
import os, signal, sys
import django
django.setup()
from uuid import UUID
from django.core.files.storage import FileSystemStorage
from django.utils import timezone
from accounts import services
from accounts.models import Export
from accounts.selectors import open_export
from accounts.services import _exports
folder, step, export_id = sys.argv[1:]
storage = FileSystemStorage(folder)
Export._meta.get_field("file").storage = storage
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if step == "writing":
    _exports._write_part = die
else:
    save = storage.save
    storage.save = lambda *a: (save(*a), die())
services.run_export(export_id=UUID(export_id), shop="Harbour", clock=timezone.now)
"""


@pytest.mark.parametrize(("step", "left"), [("writing", 0), ("stored", 1)])
@pytest.mark.django_db(transaction=True)
def test_a_killed_export_is_made_by_the_next_worker(private, step, left):
    private.mkdir()
    user = make_user()
    export = request(user)
    with running("-c", KILLED, str(private), step, str(export.pk)) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output
    assert len(files(private)) == left

    later = timezone.now() + _exports.LEASE
    run(export, now=later)

    assert (export.status, export.attempts) == (Status.READY, 2)
    assert [path.name for path in files(private)] == [export.file.name.split("/")[1]]


def test_an_export_that_always_breaks_is_given_up(customer):
    export = make_export(customer, Status.QUEUED, attempts=_exports.MAX_ATTEMPTS)

    assert run(export).status == Status.FAILED


def test_the_file_is_deleted_when_its_time_is_up(
    customer, private, django_capture_on_commit_callbacks
):
    export = ready_export(customer)
    assert len(files(private)) == 1

    assert services.remove_expired_exports(now=timezone.now()) == 0
    with django_capture_on_commit_callbacks(execute=True):
        services.remove_expired_exports(now=export.expires_at)

    export.refresh_from_db()
    assert (export.status, export.file.name) == (Status.EXPIRED, "")
    assert export.file_key is None
    assert files(private) == []


def test_ready_without_a_file_is_refused_by_the_database(customer):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_export(customer, Status.READY, file="")


# Over HTTP.


def test_the_owner_asks_watches_and_downloads(api, api_as, customer):
    client = api_as(customer)

    asked = client.post("/api/v1/me/exports")
    assert asked.status_code == 202
    assert asked.json()["progress"] == {"done": 0, "total": len(holdings())}
    assert asked.json()["download_url"] is None
    export = run(Export.objects.get())
    shown = client.get(asked.headers["Location"]).json()
    assert shown["status"] == "ready"

    # Without a sign-in, as a browser follows a link.
    response = api.get(shown["download_url"])

    content = b"".join(response.streaming_content)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Cache-Control"] == "private, no-store"
    day = f"{export.created_at:%Y-%m-%d}"
    assert response.headers["Content-Disposition"] == (
        f'attachment; filename="my-data-{day}.zip"'
    )
    assert response.headers["Content-Length"] == str(len(content))
    assert "profile.json" in zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_a_stranger_sees_nothing_of_it(api_as, customer, stranger):
    export = ready_export(customer)

    response = api_as(stranger).get(f"/api/v1/me/exports/{export.pk}")

    assert (response.status_code, response.json()["code"]) == (404, "export_not_found")


def test_asking_needs_a_recent_proof(api_as, customer):
    client = api_as(customer)
    Session.objects.update(authenticated_at=timezone.now() - timedelta(hours=1))

    response = client.post("/api/v1/me/exports")

    assert (response.status_code, response.json()["code"]) == (403, "step_up_required")


def refused(api, export, token):
    response = api.get(f"/api/v1/me/exports/{export.pk}/file", {"token": token})
    return (response.status_code, response.json()["code"]) == (404, "export_not_found")


def test_a_link_holds_for_its_export_alone(api, customer, stranger):
    export, other = ready_export(customer), ready_export(stranger)
    token = make_export_token(export.pk)

    assert refused(api, export, make_export_token(other.pk))
    assert refused(api, export, token[:-1] + ("A" if token[-1] != "A" else "B"))
    assert refused(api, export, "")
    assert refused(api, export, "x" * 10_000)


def test_a_link_is_over_after_a_quarter_of_an_hour(api, customer):
    export = ready_export(customer)
    token = make_export_token(export.pk)

    with time_machine.travel(timezone.now() + EXPORT_LINK_LIFETIME * 1.1):
        assert refused(api, export, token)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda export: Export.objects.update(expires_at=timezone.now()),
        lambda export: Export.objects.update(status="expired", file=""),
        lambda export: User.objects.update(is_active=False),
        lambda export: export.file.storage.delete(export.file.name),
    ],
)
def test_a_link_to_what_is_gone_is_refused(api, customer, spoil):
    export = ready_export(customer)
    spoil(export)

    assert refused(api, export, make_export_token(export.pk))


def test_the_file_rests_encrypted_and_so_does_the_workers_own(
    customer, private, monkeypatch
):
    seen = []
    finish = _exports._finish  # noqa: SLF001 -- when the worker has written its file

    def look(export, made, **fields):
        made.seek(0)
        seen.append(made.read())
        finish(export, made, **fields)

    monkeypatch.setattr(_exports, "_finish", look)

    export = ready_export(customer)

    (path,) = files(private)
    assert path.read_bytes() == seen[0]
    # What a ZIP begins with, and names that stand in one in clear.
    assert b"PK\x03\x04" not in seen[0]
    assert b"profile.json" not in seen[0]
    assert "profile.json" in archive_of(export).namelist()


def spoil_file(change):
    def spoil(export, other):
        path = Path(export.file.path)
        path.write_bytes(change(path.read_bytes(), Path(other.file.path).read_bytes()))

    return spoil


def swap_key(export, other):
    Export.objects.filter(pk=export.pk).update(
        file_key=Export.objects.values_list("file_key", flat=True).get(pk=other.pk)
    )


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_file(lambda own, _: own[:-1]),
        spoil_file(lambda own, _: own[: len(own) // 2] + b"\0" + own[len(own) // 2 :]),
        spoil_file(lambda own, _: own[:-20] + bytes([own[-20] ^ 1]) + own[-19:]),
        spoil_file(lambda *_: b""),
        spoil_file(lambda _, other: other),
        swap_key,
    ],
)
def test_of_a_damaged_or_swapped_file_nothing_is_sent(
    api, customer, stranger, caplog, spoil
):
    export, other = ready_export(customer), ready_export(stranger)
    spoil(export, other)

    response = api.get(
        f"/api/v1/me/exports/{export.pk}/file", {"token": make_export_token(export.pk)}
    )

    assert (response.status_code, response.json()["code"]) == (410, "export_damaged")
    assert "export_damaged" in caplog.text


def test_a_file_is_read_under_the_next_key_too(customer, settings):
    export = ready_export(customer)
    new = f"new:{base64.b64encode(b'n' * 32).decode()}"
    settings.FIELD_ENCRYPTION_KEYS = f"{new},{settings.FIELD_ENCRYPTION_KEYS}"
    rotation.rotate(Export)

    settings.FIELD_ENCRYPTION_KEYS = new

    assert "profile.json" in archive_of(Export.objects.get(pk=export.pk)).namelist()


def test_a_file_that_was_left_in_clear_is_not_served(api, customer):
    export = ready_export(customer)
    Export.objects.update(file_key=None)

    assert refused(api, export, make_export_token(export.pk))


@override_settings(DEBUG=True)
def test_an_export_asks_each_table_once_however_much_there_is(customer):
    def queries():
        connection.queries_log.clear()
        ready_export(customer)
        return len(connection.queries_log)

    one = queries()
    Export.objects.update(status=Status.EXPIRED)
    for _ in range(3):
        make_export(customer, Status.EXPIRED)

    assert queries() == one
