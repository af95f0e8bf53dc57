"""Facts of the catalogue."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from core.events import Event


@dataclass(frozen=True, slots=True)
class ProductPublished(Event):
    name: ClassVar[str] = "catalog.product_published"
    aggregate: ClassVar[str] = "product_id"

    product_id: UUID


@dataclass(frozen=True, slots=True)
class PriceChanged(Event):
    """A price is new (nothing before), another, or gone (nothing now)."""

    name: ClassVar[str] = "catalog.price_changed"
    aggregate: ClassVar[str] = "variant_id"

    variant_id: UUID
    product_id: UUID
    currency: str
    amount: int | None
    previous_amount: int | None
