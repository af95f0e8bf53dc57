"""The audit log as a chain: a removed or changed entry shows, whoever did it.

Entries are chained a few seconds after they were written, by one job at a time, so that
writing them costs nothing and waits for nobody. A digest covers its entry and the digest
before; the newest one is in the application's log with each run, out of the reach of who
holds the database only.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from core.models import AuditEntry, AuditSeal

BATCH = 1000
# No transaction takes longer, so what is older and not sealed was put there later.
LATEST = timedelta(hours=1)
_START = bytes(32)
_LOCK = "core.audit_chain"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong at one position of the chain, 0 where it is at none."""

    position: int
    entry_id: UUID | None
    said: str


@transaction.atomic
def seal_entries(*, now: datetime, limit: int = BATCH) -> int:
    """Chain the newest entries to those before; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [_LOCK]
        )
        if not cursor.fetchone()[0]:
            return 0
    last = AuditSeal.objects.order_by("-position").first()
    position = last.position if last else 0
    digest = bytes(last.digest) if last else _START
    seals = []
    for entry in _unsealed(since=None if last is None else now - LATEST)[:limit]:
        position += 1
        digest = _digest(digest, position, entry)
        seals.append(
            AuditSeal(
                position=position, entry_id=entry.pk, digest=digest, sealed_at=now
            )
        )
    AuditSeal.objects.bulk_create(seals)
    if seals:
        _log.info("audit_sealed", position=position, digest=digest.hex())
    return len(seals)


def verify(*, expected: dict[int, str] | None = None) -> tuple[int, list[Flaw]]:
    """Walk the whole chain; return its length and everything that is wrong.

    ``expected`` are digests by position, as the application's log has them: without one
    nobody can tell that the end of the chain was cut off.
    """
    expected = dict(expected or {})
    flaws: list[Flaw] = []
    before, position = _START, 0
    for seal, entry in _links():
        if seal.position != position + 1:
            flaws.append(
                Flaw(
                    seal.position,
                    None,
                    f"{seal.position - position - 1} seals before it are gone.",
                )
            )
        position, digest = seal.position, bytes(seal.digest)
        if entry is None:
            flaws.append(Flaw(position, seal.entry_id, "The entry is gone."))
        elif _digest(before, position, entry) != digest:
            flaws.append(Flaw(position, seal.entry_id, "The entry was changed."))
        if expected.pop(position, digest.hex()) != digest.hex():
            flaws.append(
                Flaw(position, seal.entry_id, "The seal isn't the one in the log.")
            )
        before = digest
    flaws += [Flaw(place, None, "The chain ends before it.") for place in expected]
    flaws += [
        Flaw(0, entry.pk, "The entry was put in later: it is old and has no seal.")
        for entry in _unsealed(since=None)
        if position and entry.created_at < datetime.now(UTC) - LATEST
    ]
    return position, flaws


def _unsealed(*, since: datetime | None) -> QuerySet[AuditEntry]:
    """Return what has no seal, in the order of its making, which begins every id."""
    sealed = AuditSeal.objects.filter(entry_id=OuterRef("pk"))
    entries = AuditEntry.objects.filter(~Exists(sealed)).order_by("pk")
    return entries if since is None else entries.filter(pk__gte=_first_id(since))


def _first_id(at: datetime) -> UUID:
    return UUID(int=int(at.timestamp() * 1000) << 80)


def _links() -> Iterator[tuple[AuditSeal, AuditEntry | None]]:
    after = 0
    while True:
        seals = list(
            AuditSeal.objects.filter(position__gt=after).order_by("position")[:BATCH]
        )
        entries = AuditEntry.objects.in_bulk([seal.entry_id for seal in seals])
        for seal in seals:
            yield seal, entries.get(seal.entry_id)
        if len(seals) < BATCH:
            return
        after = seals[-1].position


def _digest(before: bytes, position: int, entry: AuditEntry) -> bytes:
    told = {
        "position": position,
        "id": str(entry.pk),
        "subject": [entry.subject_type, entry.subject_id],
        "action": entry.action,
        "actor": str(entry.actor_id or ""),
        "request": entry.request_id,
        "before": entry.before,
        "after": entry.after,
        "at": entry.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
    }
    content = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(before + content).digest()
