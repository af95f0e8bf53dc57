from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.files.storage import Storage

from accounts.exceptions import ExportNotFoundError
from accounts.models import Export


def get_export(export_id: UUID, *, user_id: UUID) -> Export:
    """Return an export of the user's own.

    :raises ExportNotFoundError: also for another's.
    """
    export = Export.objects.filter(pk=export_id, user_id=user_id).first()
    if export is None:
        raise ExportNotFoundError
    return export


def get_ready_export(export_id: UUID, *, now: datetime) -> Export:
    """Return an export whose file is there, and whose owner still has an account.

    :raises ExportNotFoundError:
    """
    ready = Export.objects.filter(
        pk=export_id,
        status=Export.Status.READY,
        expires_at__gt=now,
        user__is_active=True,
    )
    export = ready.first()
    if export is None:
        raise ExportNotFoundError
    return export


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of so many bytes, opened when its content is first asked for."""

    size: int
    content: Iterator[bytes]


def open_export(export: Export) -> ExportFile:
    """Return the file.

    :raises ExportNotFoundError: it was removed a moment ago.
    """
    storage, name = export.file.storage, str(export.file.name)
    try:
        return ExportFile(storage.size(name), _chunks(storage, name))
    except FileNotFoundError as error:
        raise ExportNotFoundError from error


def _chunks(storage: Storage, name: str) -> Iterator[bytes]:
    with storage.open(name, "rb") as file:
        yield from file.chunks()
