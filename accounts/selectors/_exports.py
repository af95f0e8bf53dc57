from datetime import datetime
from typing import IO, cast
from uuid import UUID

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


def open_export(export: Export) -> IO[bytes]:
    """Open the file.

    :raises ExportNotFoundError: it was removed a moment ago.
    """
    try:
        return cast("IO[bytes]", export.file.storage.open(str(export.file.name), "rb"))
    except FileNotFoundError as error:
        raise ExportNotFoundError from error
