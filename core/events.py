"""Publish facts inside a transaction; the outbox delivers them after it."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.db import connection

from core.models import OutboxEvent


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
_handlers: defaultdict[str, dict[str, Handler]] = defaultdict(dict)


def publish(event: Event) -> None:
    """Record the fact together with the change that it describes.

    :raises RuntimeError: outside a transaction, where the two could part.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"{event.name} published outside a transaction.")
    payload = orjson.loads(orjson.dumps(asdict(event)))
    OutboxEvent.objects.create(
        name=event.name, aggregate_id=str(payload[event.aggregate]), payload=payload
    )


def subscribe(event: type[Event]) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        _handlers[event.name][handler_name(handler)] = handler
        return handler

    return register


def handler_name(handler: Handler) -> str:
    return f"{handler.__module__}.{handler.__name__}"


def handlers_of(event_name: str) -> dict[str, Handler]:
    """Return the subscribers of an event by dotted name."""
    return dict(_handlers[event_name])
