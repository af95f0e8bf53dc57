"""Who changed what: an entry beside each change, in its transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from core.models import AuditEntry
from core.request_ids import current_request_id


def act_as(actor_id: UUID | None) -> None:
    """Tell the database who writes, for the entries that it makes by itself.

    Holds until the transaction's end. Whoever calls ``record`` needs it not.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('shopwright.actor', %s, true), set_config('shopwright.request', %s, true)",
            [str(actor_id or ""), current_request_id()],
        )


def record(
    subject: Model,
    action: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    actor_id: UUID | None = None,
) -> AuditEntry:
    """Note a change of ``subject``; call it inside the change's transaction.

    ``before`` and ``after`` hold the changed fields only, as JSON can say them, and
    never a secret. No actor means that the shop did it by itself.
    """
    return AuditEntry.objects.create(
        subject_type=subject._meta.label_lower,  # noqa: SLF001 -- Django's public API
        subject_id=str(subject.pk),
        action=action,
        actor_id=actor_id,
        request_id=current_request_id(),
        before=dict(before or {}),
        after=dict(after or {}),
    )
