"""Who changed what: an entry beside each change, in its transaction."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from core import audit_memory
from core.audit_chain import LATEST
from core.ids import first_uuid7
from core.models import AuditEntry
from core.request_ids import current_request_id


def act_as(actor_id: UUID | None) -> None:
    """Tell the database who writes, for the entries that it makes by itself.

    Holds until the transaction's end. Whoever calls ``record`` needs it not.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('shopwright.actor', %s, true), set_config('shopwright.request', %s, true), txid_current()",
            [str(actor_id or ""), current_request_id()],
        )
        transaction_id = cursor.fetchone()[2]
    transaction.on_commit(partial(_testify_of, transaction_id), robust=True)


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
    entry = AuditEntry.objects.create(
        subject_type=subject._meta.label_lower,  # noqa: SLF001 -- Django's public API
        subject_id=str(subject.pk),
        action=action,
        actor_id=actor_id,
        request_id=current_request_id(),
        before=dict(before or {}),
        after=dict(after or {}),
    )
    # Until it is sealed, only this knows that it was there.
    transaction.on_commit(partial(audit_memory.testify, entry.pk), robust=True)
    return entry


def _testify_of(transaction_id: int) -> None:
    """Tell of the entries that the database has made in a transaction."""
    recent = AuditEntry.objects.filter(
        pk__gte=first_uuid7(timezone.now() - LATEST),
        transaction_id=transaction_id,
    )
    audit_memory.testify(*recent.values_list("pk", flat=True))
