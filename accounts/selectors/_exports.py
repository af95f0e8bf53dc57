from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from accounts.exceptions import ExportDamagedError, ExportNotFoundError
from accounts.models import Export
from core.encryption import EncryptionError, unsealed_chunks, unsealed_size

_log = structlog.get_logger(__name__)


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
        # Without a key it is of a version that left files in clear; nobody serves those.
        file_key__isnull=False,
        user__is_active=True,
    )
    export = ready.first()
    if export is None:
        raise ExportNotFoundError
    return export


@dataclass(frozen=True, slots=True)
class ExportFile:
    """So many bytes, read and decrypted as they are asked for."""

    size: int
    content: Iterator[bytes]


def open_export(export: Export) -> ExportFile:
    """Return the file, which was read through once: nobody is sent half of one.

    :raises ExportNotFoundError: it was removed a moment ago.
    :raises ExportDamagedError: it isn't as it was stored, or is another's.
    """
    storage, name = export.file.storage, str(export.file.name)
    try:
        size = unsealed_size(storage.size(name))
        for _ in _chunks(export):
            """Decrypted, and so proved."""
        return ExportFile(size, _chunks(export))
    except FileNotFoundError as error:
        raise ExportNotFoundError from error
    except EncryptionError as error:
        _log.exception("export_damaged", export_id=str(export.pk))
        raise ExportDamagedError from error


def _chunks(export: Export) -> Iterator[bytes]:
    with export.file.storage.open(str(export.file.name), "rb") as file:
        yield from unsealed_chunks(
            file, key=str(export.file_key), context=export.seal_context
        )
