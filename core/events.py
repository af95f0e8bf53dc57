"""Publish facts inside a transaction; the outbox delivers them after it."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.db import connection, transaction

from core.broker import Nudge
from core.models import OutboxEvent
from core.rows import insert_all


@dataclass(frozen=True, slots=True)
class Event:
    """Base class. Subclasses are past-tense facts with primitive fields only.

    ``name`` is dotted (``orders.order_placed``); ``aggregate`` names the field whose
    events are delivered in the order of their publication.
    """

    name: ClassVar[str]
    aggregate: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a handler receives: the fact, and the id to be idempotent by."""

    event_id: UUID
    occurred_at: datetime
    payload: dict[str, Any]


Handler = Callable[[Delivered], None]


@dataclass(frozen=True, slots=True)
class Subscription:
    handler: Handler
    transactional: bool


# Has the relay run now rather than at its next round.
nudge_relay = Nudge("core.tasks.relay_outbox")
_subscriptions: defaultdict[str, dict[str, Subscription]] = defaultdict(dict)


def publish(event: Event, *, can_wait: bool = False) -> None:
    """Record the fact together with the change that it describes.

    One that ``can_wait`` is delivered at the relay's next round, seconds later; what is
    published and taken back asks for none.

    :raises RuntimeError: outside a transaction, where the two could part.
    """
    publish_all([event], can_wait=can_wait)


def publish_all(events: Collection[Event], *, can_wait: bool = False) -> None:
    """Record many facts by one statement; otherwise like ``publish``."""
    if not events:
        return
    if not connection.in_atomic_block:
        names = ", ".join(sorted({event.name for event in events}))
        raise RuntimeError(f"{names} published outside a transaction.")
    insert_all([_record(event) for event in events])
    is_asked_for = any(entry[1] is nudge_relay for entry in connection.run_on_commit)
    if not (can_wait or is_asked_for):
        transaction.on_commit(nudge_relay, robust=True)


def _record(event: Event) -> OutboxEvent:
    payload = orjson.loads(orjson.dumps(asdict(event)))
    return OutboxEvent(
        name=event.name, aggregate_id=str(payload[event.aggregate]), payload=payload
    )


def subscribe(
    event: type[Event], *, transactional: bool = True
) -> Callable[[Handler], Handler]:
    """Have a handler called once per event, in the order of the event's aggregate.

    Its writes commit together with the note that it is done, so a handler that only
    writes to the database takes effect exactly once. ``transactional=False`` is for
    a handler that must act outside, such as sending a mail: it runs without a
    transaction, opens its own, and may run again after a crash.
    """

    def register(handler: Handler) -> Handler:
        _subscriptions[event.name][handler_name(handler)] = Subscription(
            handler, transactional
        )
        return handler

    return register


def handler_name(handler: Handler) -> str:
    return f"{handler.__module__}.{handler.__name__}"


def subscriptions_of(event_name: str) -> dict[str, Subscription]:
    """Return the subscribers of an event by dotted name."""
    return dict(_subscriptions[event_name])
