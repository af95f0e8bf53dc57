from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from core.events import Event


@dataclass(frozen=True, slots=True)
class OrderPlaced(Event):
    """The payment is promised or done and the goods are the buyer's."""

    name: ClassVar[str] = "orders.order_placed"
    aggregate: ClassVar[str] = "order_id"

    order_id: UUID
    number: str
    user_id: UUID | None
    total_amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class OrderPaid(Event):
    name: ClassVar[str] = "orders.order_paid"
    aggregate: ClassVar[str] = "order_id"

    order_id: UUID
    number: str
    user_id: UUID | None
    total_amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class PaymentFailed(Event):
    name: ClassVar[str] = "orders.payment_failed"
    aggregate: ClassVar[str] = "order_id"

    order_id: UUID
    number: str
    user_id: UUID | None
    payment_id: UUID
    failure_code: str


@dataclass(frozen=True, slots=True)
class OrderCanceled(Event):
    name: ClassVar[str] = "orders.order_canceled"
    aggregate: ClassVar[str] = "order_id"

    order_id: UUID
    number: str
    user_id: UUID | None
    # Whether the buyer had been told that the order was placed.
    was_placed: bool


@dataclass(frozen=True, slots=True)
class PaymentReversalRequested(Event):
    """Money is held or taken for an order that won't be delivered: give it back."""

    name: ClassVar[str] = "orders.payment_reversal_requested"
    aggregate: ClassVar[str] = "order_id"

    order_id: UUID
    payment_id: UUID
