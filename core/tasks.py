"""What the workers run. Messages are hints: each task asks the database what is to do."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from core import idempotency, outbox
from core.heartbeat import record_heartbeat

BATCH = 500
MAX_BATCHES = 20
PRUNE_BATCH = 2000


@shared_task
def relay_outbox(**_: Any) -> None:
    for _batch in range(MAX_BATCHES):
        if len(outbox.relay_pending(now=timezone.now(), limit=BATCH)) < BATCH:
            return


@shared_task
def deliver_event(*, delivery_id: str, **_: Any) -> None:
    outbox.deliver(UUID(delivery_id), now=timezone.now())


@shared_task
def prune_outbox(**_: Any) -> None:
    while outbox.prune_delivered(now=timezone.now(), limit=PRUNE_BATCH) == PRUNE_BATCH:
        pass


@shared_task
def forget_idempotency_keys(**_: Any) -> None:
    while (
        idempotency.forget_expired(now=timezone.now(), limit=PRUNE_BATCH) == PRUNE_BATCH
    ):
        pass


@shared_task
def beat_heart(**_: Any) -> None:
    record_heartbeat("worker", now=timezone.now())
