"""Bring committed events to their handlers: at least once, in order per aggregate.

``relay_pending`` makes one delivery per subscriber and tells the workers; ``deliver``
runs one. Every step can be cut off anywhere: what is left is a row that the next sweep
finds.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from core.broker import enqueue
from core.events import Delivered, Subscription, subscriptions_of
from core.exceptions import CircuitOpenError
from core.models import OutboxDelivery, OutboxEvent

logger = structlog.get_logger(__name__)

MAX_ATTEMPTS = 10
FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=10)
# A worker was told this long ago and nothing came of it: tell again.
TELL_AGAIN_AFTER = timedelta(seconds=30)
# Longer than a task may run, so that the lease ends only when its holder is gone.
OUTSIDE_LEASE = timedelta(seconds=150)


def relay_pending(*, now: datetime, limit: int = 500) -> list[UUID]:
    """Dispatch new events and tell the workers of every delivery that may start.

    Returns the deliveries that they are told of. Any number of relays may run at once.
    """
    with transaction.atomic():
        _dispatch(now=now, limit=limit)
        startable = (
            OutboxDelivery.objects.pending()
            .due(now=now)
            .filter(Q(enqueued_at=None) | Q(enqueued_at__lte=now - TELL_AGAIN_AFTER))
            .unblocked()
            .select_for_update(skip_locked=True)
            .order_by("next_attempt_at", "sequence")
        )
        delivery_ids = list(startable.values_list("pk", flat=True)[:limit])
        OutboxDelivery.objects.filter(pk__in=delivery_ids).update(enqueued_at=now)
        transaction.on_commit(partial(_tell_workers, delivery_ids))
    return delivery_ids


def _dispatch(*, now: datetime, limit: int) -> None:
    events = list(
        OutboxEvent.objects.filter(dispatched_at=None)
        .select_for_update(skip_locked=True)
        .order_by("sequence")[:limit]
    )
    OutboxDelivery.objects.bulk_create(
        OutboxDelivery(
            event=event,
            handler=handler,
            aggregate_id=event.aggregate_id,
            sequence=event.sequence,
            next_attempt_at=now,
        )
        for event in events
        for handler in subscriptions_of(event.name)
    )
    OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(
        dispatched_at=now
    )


def _tell_workers(delivery_ids: Sequence[UUID]) -> None:
    for delivery_id in delivery_ids:
        if not enqueue("core.tasks.deliver_event", delivery_id=str(delivery_id)):
            return


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The right to run a handler; ``number`` fences off a holder that lost it."""

    delivery_id: UUID
    number: int
    handler: str
    event: OutboxEvent

    def still_held(self) -> Q:
        return Q(
            pk=self.delivery_id,
            status=OutboxDelivery.Status.PENDING,
            attempts=self.number,
        )

    def subscription(self) -> Subscription:
        return subscriptions_of(self.event.name)[self.handler]

    def delivered(self) -> Delivered:
        return Delivered(
            event_id=self.event.pk,
            occurred_at=self.event.occurred_at,
            payload=self.event.payload,
        )


def deliver(delivery_id: UUID, *, now: datetime) -> bool:
    """Run the delivery's handler unless it is done, running, early or blocked.

    The handler's writes and the mark "delivered" are one transaction. A failure costs an
    attempt and waits longer each time; after ``MAX_ATTEMPTS`` the delivery is dead, and
    later ones of its aggregate go on. What a circuit breaker refused was no attempt: it
    waits as long as the breaker says. Returns whether the handler was run to its end.
    """
    attempt = _begin_attempt(delivery_id, now=now)
    if attempt is None:
        return False
    try:
        return _run(attempt, now=now)
    except CircuitOpenError as refusal:
        _postpone(attempt, refusal, now=now)
        return False
    except Exception as error:
        logger.exception(
            "event_handler_failed",
            handler=attempt.handler,
            outbox_event=attempt.event.name,
            event_id=str(attempt.event.pk),
            attempt=attempt.number,
        )
        _record_failure(attempt, error, now=now)
        return False


@transaction.atomic
def _begin_attempt(delivery_id: UUID, *, now: datetime) -> _Attempt | None:
    """Count the attempt before it runs, so that a handler that kills its worker ends too."""
    delivery = (
        OutboxDelivery.objects.pending()
        .due(now=now)
        .unblocked()
        .select_related("event")
        .select_for_update(skip_locked=True, of=("self",))
        .filter(pk=delivery_id)
        .first()
    )
    if delivery is None:
        return None
    if delivery.attempts >= MAX_ATTEMPTS:
        _bury(delivery, delivery.last_error or "The worker was lost in each attempt.")
        return None
    delivery.attempts += 1
    delivery.enqueued_at = None
    delivery.next_attempt_at = now + _lease(delivery)
    delivery.save(update_fields=["attempts", "enqueued_at", "next_attempt_at"])
    return _Attempt(delivery.pk, delivery.attempts, delivery.handler, delivery.event)


def _lease(delivery: OutboxDelivery) -> timedelta:
    subscription = subscriptions_of(delivery.event.name).get(delivery.handler)
    if subscription is not None and not subscription.transactional:
        return OUTSIDE_LEASE
    # Its row stays locked while the handler runs; the lease only spaces out crashes.
    return retry_delay(delivery.attempts)


def _run(attempt: _Attempt, *, now: datetime) -> bool:
    subscription = attempt.subscription()
    if not subscription.transactional:
        subscription.handler(attempt.delivered())
        return _finish(attempt, now=now)
    with transaction.atomic():
        held = OutboxDelivery.objects.select_for_update(skip_locked=True)
        if not held.filter(attempt.still_held()).exists():
            return False
        subscription.handler(attempt.delivered())
        return _finish(attempt, now=now)


@transaction.atomic
def _finish(attempt: _Attempt, *, now: datetime) -> bool:
    finished = OutboxDelivery.objects.filter(attempt.still_held()).update(
        status=OutboxDelivery.Status.DELIVERED, delivered_at=now, last_error=""
    )
    _tell_of_next(attempt.handler, attempt.event.aggregate_id)
    return bool(finished)


@transaction.atomic
def _record_failure(attempt: _Attempt, error: Exception, *, now: datetime) -> None:
    delivery = (
        OutboxDelivery.objects.filter(attempt.still_held()).select_for_update().first()
    )
    if delivery is None:
        return
    reason = f"{type(error).__name__}: {error}".replace("\x00", "")[:2000]
    if attempt.number >= MAX_ATTEMPTS:
        _bury(delivery, reason)
        return
    delivery.last_error = reason
    delivery.next_attempt_at = now + retry_delay(attempt.number)
    delivery.save(update_fields=["last_error", "next_attempt_at"])


@transaction.atomic
def _postpone(attempt: _Attempt, refusal: CircuitOpenError, *, now: datetime) -> None:
    wait = timedelta(seconds=refusal.retry_after or 1)
    # Spread, so that not all that has gathered comes back at one moment.
    wait *= random.uniform(1, 1.5)  # noqa: S311 -- spreads load, guards nothing
    OutboxDelivery.objects.filter(attempt.still_held()).update(
        attempts=attempt.number - 1,
        next_attempt_at=now + wait,
        last_error=refusal.detail,
    )


def _bury(delivery: OutboxDelivery, reason: str) -> None:
    delivery.status = OutboxDelivery.Status.DEAD
    delivery.last_error = reason
    delivery.save(update_fields=["status", "last_error"])
    logger.error("event_delivery_dead", handler=delivery.handler, id=str(delivery.pk))
    _tell_of_next(delivery.handler, delivery.aggregate_id)


def _tell_of_next(handler: str, aggregate_id: str) -> None:
    waiting = OutboxDelivery.objects.pending().filter(
        handler=handler, aggregate_id=aggregate_id
    )
    following = waiting.order_by("sequence").values_list("pk", flat=True)[:1]
    transaction.on_commit(partial(_tell_workers, list(following)))


def retry_delay(attempt: int) -> timedelta:
    """Double with each attempt up to the longest; jitter keeps failures from marching."""
    doubled: timedelta = FIRST_RETRY * 2 ** (attempt - 1)
    ceiling = min(LONGEST_RETRY, doubled)
    return ceiling * random.uniform(0.5, 1)  # noqa: S311 -- spreads load, guards nothing


def prune_delivered(*, now: datetime, limit: int = 2000) -> int:
    """Delete old events that every handler is done with; dead letters stay."""
    open_deliveries = OutboxDelivery.objects.exclude(
        status=OutboxDelivery.Status.DELIVERED
    ).filter(event=OuterRef("pk"))
    old = OutboxEvent.objects.filter(
        ~Exists(open_deliveries),
        occurred_at__lte=now - settings.RETENTION["events"],
        dispatched_at__isnull=False,
    ).order_by("sequence")
    event_ids = list(old.values_list("pk", flat=True)[:limit])
    OutboxEvent.objects.filter(pk__in=event_ids).delete()
    return len(event_ids)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the handlers are behind what was published."""

    oldest_seconds: float
    undispatched: int
    pending: int
    dead: int


def lag(*, now: datetime) -> Lag:
    undispatched = OutboxEvent.objects.filter(dispatched_at=None).aggregate(
        oldest=Min("occurred_at"), count=Count("pk")
    )
    pending = OutboxDelivery.objects.pending().aggregate(
        oldest=Min("event__occurred_at"), count=Count("pk")
    )
    since = [part["oldest"] for part in (undispatched, pending) if part["oldest"]]
    return Lag(
        oldest_seconds=(now - min(since)).total_seconds() if since else 0.0,
        undispatched=undispatched["count"],
        pending=pending["count"],
        dead=OutboxDelivery.objects.dead().count(),
    )


def retry_dead(*, delivery_ids: Collection[UUID] | None, now: datetime) -> int:
    """Give dead deliveries, or all of them, their attempts back; returns how many."""
    dead = OutboxDelivery.objects.dead()
    if delivery_ids is not None:
        dead = dead.filter(pk__in=delivery_ids)
    return dead.update(
        status=OutboxDelivery.Status.PENDING,
        attempts=0,
        enqueued_at=None,
        next_attempt_at=now,
    )


def dead_deliveries() -> QuerySet[OutboxDelivery]:
    return OutboxDelivery.objects.dead().select_related("event").order_by("sequence")
