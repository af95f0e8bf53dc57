"""What the workers run. Messages are hints: each task asks the database what is to do."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from core import audit_chain, audit_watch, outbox, retention
from core.heartbeat import record_heartbeat
from core.protection.counters import counters

BATCH = 500
MAX_BATCHES = 20


@shared_task
def relay_outbox(**_: Any) -> None:
    for _batch in range(MAX_BATCHES):
        if len(outbox.relay_pending(now=timezone.now(), limit=BATCH)) < BATCH:
            return


@shared_task
def deliver_event(*, delivery_id: str, **_: Any) -> None:
    outbox.deliver(UUID(delivery_id), now=timezone.now())


@shared_task
def apply_retention(**_: Any) -> None:
    try:
        retention.apply(now=timezone.now())
    finally:
        counters.flush()


@shared_task
def seal_audit(**_: Any) -> None:
    audit_chain.seal_entries(now=timezone.now())


@shared_task
def verify_audit(**_: Any) -> None:
    audit_watch.check(now=timezone.now())


@shared_task
def beat_heart(**_: Any) -> None:
    record_heartbeat("worker", now=timezone.now())
