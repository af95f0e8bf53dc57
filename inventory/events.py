from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from core.events import Event


@dataclass(frozen=True, slots=True)
class StockLow(Event):
    """A stock row fell to its threshold or below. Said once per crossing."""

    name: ClassVar[str] = "inventory.stock_low"
    aggregate: ClassVar[str] = "variant_id"

    variant_id: UUID
    stock_id: UUID
    available: int
    low_stock_threshold: int


@dataclass(frozen=True, slots=True)
class StockOut(Event):
    """No warehouse can supply the variant any more. Said once per crossing."""

    name: ClassVar[str] = "inventory.stock_out"
    aggregate: ClassVar[str] = "variant_id"

    variant_id: UUID


@dataclass(frozen=True, slots=True)
class StockBack(Event):
    """A variant that was out can be supplied again. Said once per crossing."""

    name: ClassVar[str] = "inventory.stock_back"
    aggregate: ClassVar[str] = "variant_id"

    variant_id: UUID
