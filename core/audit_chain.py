"""The audit log as a chain: a removed or changed entry shows, whoever did it.

Entries are chained a few seconds after they were written, by one job at a time, so that
writing them waits for nobody. A digest covers its entry and the digest before; the newest
one is in the application's log with each run and in Valkey, out of the reach of who holds
the database only. So are, until then, the ids of what the application has written: one
that isn't there any more is chained as gone.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import redis
import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from core import audit_memory
from core.audit_memory import Memory
from core.ids import first_uuid7
from core.models import AuditEntry, AuditSeal

BATCH = 1000
# No transaction takes longer, so what is older and not sealed was put there later.
LATEST = timedelta(hours=1)
_LOST = (redis.RedisError, OSError)
_LOCK = "core.audit_chain"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong at one position of the chain, 0 where it is at none."""

    position: int
    entry_id: UUID | None
    said: str


@dataclass(frozen=True, slots=True)
class Place:
    """A seal by its position and its digest; by default, what the first one follows."""

    position: int = 0
    digest: bytes = bytes(32)


@transaction.atomic
def seal_entries(*, now: datetime, limit: int = BATCH) -> int:
    """Chain the newest entries to those before, and what is gone; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [_LOCK]
        )
        if not cursor.fetchone()[0]:
            return 0
    memory, told = _remembered(limit)
    last = AuditSeal.objects.order_by("-position").first()
    end = Place(last.position, bytes(last.digest)) if last else Place()
    since = _horizon(last, memory)
    entries = list(_unsealed(since=since, told=told)[:limit])
    gone = _gone(told)
    seals = [*_chained(end, entries, gone, now)]
    AuditSeal.objects.bulk_create(seals)
    for entry_id in gone:
        _log.error("audit_entry_gone", entry_id=str(entry_id))
    if seals:
        end = Place(seals[-1].position, bytes(seals[-1].digest))
        _log.info("audit_sealed", position=end.position, digest=end.digest.hex())
    facts: dict[str, Any] = {}
    # One that was lost stays remembered, and is missed, until somebody says otherwise.
    if memory and _holds_end_of(memory):
        facts |= {"head_position": end.position, "head_digest": end.digest.hex()}
    if len(entries) < limit:
        facts["drained_at"] = now.timestamp()
    transaction.on_commit(partial(_note, told, facts))
    return len(seals)


def verify(*, expected: dict[int, str] | None = None) -> tuple[int, list[Flaw]]:
    """Walk the whole chain; return its length and everything that is wrong.

    ``expected`` are digests by position, as the application's log has them: without one
    nobody can tell that the end of the chain was cut off.
    """
    flaws: list[Flaw] = []
    length = 0
    for place, found in walk(Place()):
        length = place.position
        flaws += found
    for position, digest in (expected or {}).items():
        flaws += lost(position, digest)
    for _, found in look_for_planted(None):
        flaws += found
    return length, flaws


def walk(place: Place) -> Iterator[tuple[Place, list[Flaw]]]:
    """Check the chain behind a place, some seals at a time, each time saying up to where."""
    while True:
        after = AuditSeal.objects.filter(position__gt=place.position)
        seals = list(after.order_by("position")[:BATCH])
        entries = AuditEntry.objects.in_bulk([seal.entry_id for seal in seals])
        flaws: list[Flaw] = []
        for seal in seals:
            flaws += _flaws_of(seal, entries.get(seal.entry_id), place)
            place = Place(seal.position, bytes(seal.digest))
        if seals:
            yield place, flaws
        if len(seals) < BATCH:
            return


def look_for_planted(after: UUID | None) -> Iterator[tuple[UUID, list[Flaw]]]:
    """Find entries behind an id that are old and have no seal, in steps as ``walk``."""
    last = AuditSeal.objects.order_by("-position").first()
    horizon = _horizon(last, _remembered(0)[0])
    if horizon is None:
        return
    old = AuditEntry.objects.filter(pk__lt=first_uuid7(horizon)).order_by("pk")
    while True:
        rest = old if after is None else old.filter(pk__gt=after)
        ids = list(rest.values_list("pk", flat=True)[:BATCH])
        sealed = _sealed(ids)
        said = "The entry was put in later: it is old and has no seal."
        if ids:
            after = ids[-1]
            yield after, [Flaw(0, pk, said) for pk in ids if pk not in sealed]
        if len(ids) < BATCH:
            return


def lost(position: int, digest: str) -> list[Flaw]:
    """Say that the chain doesn't hold this seal, which was in it once."""
    seal = AuditSeal.objects.filter(position=position).first()
    if seal is None:
        return [Flaw(position, None, "The chain ends before it.")]
    if bytes(seal.digest).hex() == digest:
        return []
    return [Flaw(position, seal.entry_id, "The seal isn't the one in the log.")]


def _holds_end_of(memory: Memory) -> bool:
    known = memory.head_position, memory.head_digest
    return not (memory.head_position and lost(*known))


def _remembered(limit: int) -> tuple[Memory | None, list[UUID]]:
    try:
        told = audit_memory.testimonies(limit) if limit else []
        return audit_memory.recall(), told
    except _LOST:
        return None, []


def _note(told: list[UUID], facts: dict[str, Any]) -> None:
    """Let Valkey know what is sealed; without it the next run says so."""
    try:
        audit_memory.discharge(_sealed(told))
        if facts:
            audit_memory.remember(**facts)
    except _LOST:
        _log.warning("audit_memory_out")


def _horizon(last: AuditSeal | None, memory: Memory | None) -> datetime | None:
    """Return before when everything must be sealed; None while nothing is.

    It follows the job: while no job runs, nothing becomes suspicious.
    """
    if last is None:
        return None
    drained_at = last.sealed_at
    if memory and memory.drained_at:
        drained_at = datetime.fromtimestamp(memory.drained_at, UTC)
    return drained_at - LATEST


def _unsealed(*, since: datetime | None, told: list[UUID]) -> QuerySet[AuditEntry]:
    """Return what has no seal, in the order of its making, which begins every id."""
    sealed = AuditSeal.objects.filter(entry_id=OuterRef("pk"))
    entries = AuditEntry.objects.filter(~Exists(sealed)).order_by("pk")
    if since is None:
        return entries
    return entries.filter(Q(pk__gte=first_uuid7(since)) | Q(pk__in=told))


def _gone(told: list[UUID]) -> list[UUID]:
    """Return which of these entries, all of which have committed, aren't there."""
    there = AuditEntry.objects.filter(pk__in=told).values_list("pk", flat=True)
    known = {*there, *_sealed(told)}
    return [entry_id for entry_id in told if entry_id not in known]


def _sealed(entry_ids: Iterable[UUID]) -> set[UUID]:
    seals = AuditSeal.objects.filter(entry_id__in=[*entry_ids])
    return set(seals.values_list("entry_id", flat=True))


def _chained(
    end: Place, entries: list[AuditEntry], gone: list[UUID], now: datetime
) -> Iterator[AuditSeal]:
    position, digest = end.position, end.digest
    links = [(entry.pk, _told(entry)) for entry in entries]
    links += [(entry_id, {"id": str(entry_id), "gone": True}) for entry_id in gone]
    for entry_id, told in links:
        position += 1
        digest = _digest(digest, position, told)
        yield AuditSeal(
            position=position, entry_id=entry_id, digest=digest, sealed_at=now
        )


def _flaws_of(
    seal: AuditSeal, entry: AuditEntry | None, before: Place
) -> Iterator[Flaw]:
    missing = seal.position - before.position - 1
    if missing:
        yield Flaw(seal.position, None, f"{missing} seals before it are gone.")
    if entry is None:
        yield Flaw(seal.position, seal.entry_id, "The entry is gone.")
    elif _digest(before.digest, seal.position, _told(entry)) != bytes(seal.digest):
        yield Flaw(seal.position, seal.entry_id, "The entry was changed.")


def _digest(before: bytes, position: int, told: dict[str, Any]) -> bytes:
    content = json.dumps(
        {"position": position, **told}, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(before + content.encode()).digest()


def _told(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": str(entry.pk),
        "subject": [entry.subject_type, entry.subject_id],
        "action": entry.action,
        "actor": str(entry.actor_id or ""),
        "request": entry.request_id,
        "before": entry.before,
        "after": entry.after,
        "at": entry.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
    }
