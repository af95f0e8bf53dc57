from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from core.events import Event


@dataclass(frozen=True, slots=True)
class DeliveryQueued(Event):
    """A message waits to be sent; the outbox tries until it is or is given up."""

    name: ClassVar[str] = "notifications.delivery_queued"
    aggregate: ClassVar[str] = "delivery_id"

    delivery_id: UUID
