"""What the ground floor itself holds on people."""

from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet

from core import idempotency, outbox
from core.models import IdempotencyRecord, OutboxEvent
from core.personal_data import Person, delete, hold, tells_nothing
from core.retention import delete_some, kept_until, remove_by


def _answers(person: Person) -> QuerySet[IdempotencyRecord]:
    name = f"user:{person.user_id}"
    # What the person was answered, and what staff were answered about him.
    return IdempotencyRecord.objects.filter(Q(scope=name) | Q(about=name))


def _events(person: Person) -> QuerySet[OutboxEvent]:
    return OutboxEvent.objects.filter(aggregate_id=str(person.user_id))


def _log_entries(person: Person) -> QuerySet[LogEntry]:
    about = Q(object_id=str(person.user_id), content_type__model="user")
    return LogEntry.objects.filter(about | Q(user_id=person.user_id))


def _unname(rows: QuerySet[Any], _: datetime) -> None:
    people = ContentType.objects.filter(model="user")
    rows.filter(content_type__in=people).update(object_repr="erased")


hold(
    "kept_answers",
    IdempotencyRecord,
    rows=_answers,
    erase=delete,
    withheld=("key", "fingerprint", "body", "headers"),
)
hold("events", OutboxEvent, rows=_events, erase=delete)
hold("administration_log", LogEntry, rows=_log_entries, erase=_unname)
tells_nothing(
    "core.AuditEntry",
    because="It names people by id only, and personal columns are masked; it must last.",
)
tells_nothing(
    "core.RateLimitPolicy",
    because="A limit of one caller's own names the caller by id.",
)
remove_by(
    "answers", lambda now, limit: idempotency.forget_expired(now=now, limit=limit)
)
# Each keeps its own end, so one remover serves both.
remove_by("answers_to_payments", lambda _, __: 0)
remove_by("events", lambda now, limit: outbox.prune_delivered(now=now, limit=limit))
remove_by(
    "admin_sessions",
    lambda now, limit: delete_some(
        Session.objects.filter(expire_date__lt=kept_until("admin_sessions", now=now)),
        limit,
    ),
)
