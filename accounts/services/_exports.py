"""Exports that workers make: a row with a lease, so that a crash only costs time."""

import tempfile
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any
from uuid import UUID, uuid4

import orjson
from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import F, Model, QuerySet

from accounts.auth import Device
from accounts.constants import ActivityKind
from accounts.models import Export, User
from accounts.selectors import person_of_user
from accounts.services._activity import record_activity
from core import broker, personal_data
from core.encryption import SealingWriter, new_file_key
from core.personal_data import Holding, Person

Status = Export.Status
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5
RUN_TASK = "accounts.tasks.run_export"
NUDGE_EXPIRES = 30
_ABOUT = """What {shop} holds on you, as of {now:%Y-%m-%d %H:%M} UTC. One file for each table, a list of its rows.
Secrets, such as the hash of your password, are left out."""


class _LeaseLostError(Exception):
    """Another worker has taken the export."""


@transaction.atomic
def request_export(*, user: User, device: Device | None, now: datetime) -> Export:
    """Have everything on the person written into a file; one at a time.

    While one is under way, that one is returned.
    """
    # Two requests at once: the second waits here, and finds the first one's export.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    under_way = Export.objects.open().filter(user=user).first()
    if under_way is not None:
        return under_way
    export = Export.objects.create(
        user=user, parts_total=len(personal_data.holdings()), created_at=now
    )
    record_activity(
        user_id=user.pk,
        kind=ActivityKind.EXPORT_REQUESTED,
        device=device,
        now=now,
    )
    transaction.on_commit(partial(_nudge, export.pk))
    return export


def resume_exports(*, now: datetime) -> int:
    """Nudge workers to every export that none is at, and say how many there are."""
    ids = (
        Export.objects.free(now=now).order_by("created_at").values_list("pk", flat=True)
    )
    for export_id in ids:
        _nudge(export_id)
    return len(ids)


def run_export(*, export_id: UUID, shop: str, clock: Callable[[], datetime]) -> None:
    """Write the file, unless another worker does or it is written."""
    export = _claim(export_id, now=clock())
    if export is None:
        return
    if export.file:
        # Of a worker that died, or has lost its lease.
        export.file.storage.delete(str(export.file.name))
    if export.attempts > MAX_ATTEMPTS:
        _held(export).update(
            status=Status.FAILED, file="", file_key=None, finished_at=clock()
        )
        return
    export.file_key = new_file_key()
    with tempfile.TemporaryFile() as made:
        try:
            _write(made, export, shop=shop, clock=clock)
            _finish(export, made, now=clock())
        except _LeaseLostError:
            return


@transaction.atomic
def remove_expired_exports(*, now: datetime, limit: int = 100) -> int:
    """Delete the files whose time is up; their rows say that there was an export."""
    outdated = Export.objects.outdated(now=now).order_by("expires_at")
    exports = list(outdated.select_for_update(skip_locked=True)[:limit])
    for export in exports:
        _drop_file(export)
    Export.objects.filter(pk__in=[export.pk for export in exports]).update(
        status=Status.EXPIRED, file="", file_key=None
    )
    return len(exports)


def erase_exports(rows: QuerySet[Export], _: datetime) -> None:
    """Delete exports with their files, which hold the whole person once more."""
    for export in rows:
        _drop_file(export)
    rows.delete()


def _drop_file(export: Export) -> None:
    if export.file:
        delete = partial(export.file.storage.delete, str(export.file.name))
        transaction.on_commit(delete)


def _nudge(export_id: UUID) -> None:
    broker.enqueue(RUN_TASK, expires=NUDGE_EXPIRES, export_id=str(export_id))


def _claim(export_id: UUID, *, now: datetime) -> Export | None:
    claimed = (
        Export.objects.free(now=now)
        .filter(pk=export_id)
        .update(
            status=Status.RUNNING,
            lease_token=uuid4(),
            lease_until=now + LEASE,
            attempts=F("attempts") + 1,
            parts_done=0,
        )
    )
    return Export.objects.get(pk=export_id) if claimed else None


def _held(export: Export) -> QuerySet[Export]:
    """Return the export's row, unless another worker has taken it meanwhile."""
    return Export.objects.filter(
        pk=export.pk, lease_token=export.lease_token, status=Status.RUNNING
    )


def _write(
    made: IO[bytes], export: Export, *, shop: str, clock: Callable[[], datetime]
) -> None:
    """Write the ZIP; not even the worker's own disk gets to see it in clear."""
    person = person_of_user(export.user_id)
    key, context = str(export.file_key), export.seal_context
    with (
        SealingWriter(made, key=key, context=context) as sealing,
        zipfile.ZipFile(sealing, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("README.txt", _ABOUT.format(shop=shop, now=clock()))
        for done, holding in enumerate(personal_data.holdings(), start=1):
            _write_part(archive, holding, person)
            kept = _held(export).update(parts_done=done, lease_until=clock() + LEASE)
            if not kept:
                raise _LeaseLostError


def _write_part(archive: zipfile.ZipFile, holding: Holding, person: Person) -> None:
    """Write one table as a list of its rows, however many there are."""
    with archive.open(f"{holding.name}.json", "w") as part:
        part.write(b"[")
        for number, record in enumerate(personal_data.records(holding, person)):
            part.write(b",\n" if number else b"\n")
            part.write(_as_json(record))
        part.write(b"\n]\n")


def _as_json(record: Mapping[str, Any]) -> bytes:
    return orjson.dumps(record, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, Model):
        return str(value.pk)
    return str(value)


def _finish(export: Export, made: IO[bytes], *, now: datetime) -> None:
    """Store the file and say so. Its name is noted before it is there: none gets lost."""
    storage = export.file.storage
    name = f"exports/{export.pk}-{export.lease_token}.sealed"
    if not _held(export).update(file=name, file_key=_sealed_key(export)):
        raise _LeaseLostError
    made.seek(0)
    storage.save(name, File(made))
    told = _held(export).update(
        status=Status.READY,
        finished_at=now,
        expires_at=now + settings.RETENTION["export_files"],
        lease_token=None,
        lease_until=None,
    )
    if not told:
        storage.delete(name)
        raise _LeaseLostError


def _sealed_key(export: Export) -> Any:
    field = Export._meta.get_field("file_key")  # noqa: SLF001 -- Django's public API
    return field.sealed_for(export, export.file_key)
