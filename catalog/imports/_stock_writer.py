"""Where counted stock goes. The catalogue knows no warehouses: who does registers here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.errors import DomainError


class StockWriter(Protocol):
    # What it may refuse, for the description of the API.
    problems: tuple[type[DomainError], ...]

    def choose_warehouse(self, code: str) -> str:
        """Return the code if there is such a warehouse; for a blank one, the default.

        Blank again if there is no warehouse at all.

        :raises DomainError: if no warehouse has the code.
        """

    def set_counted(
        self,
        *,
        warehouse_code: str,
        quantities: Mapping[UUID, int],
        reason: str,
        actor_id: UUID | None,
        now: datetime,
    ) -> Mapping[UUID, int]:
        """Set what was counted of each variant, in the caller's transaction.

        :returns: the variants whose count could not be set as given, with what was set.
        """


class _NoStock:
    """Stands in where nobody keeps stock: counts are passed over, with a warning."""

    problems: tuple[type[DomainError], ...] = ()

    def choose_warehouse(self, code: str) -> str:  # noqa: ARG002 -- the protocol's signature
        return ""

    def set_counted(
        self,
        *,
        warehouse_code: str,  # noqa: ARG002 -- the protocol's signature
        quantities: Mapping[UUID, int],  # noqa: ARG002 -- the protocol's
        reason: str,  # noqa: ARG002 -- the protocol's
        actor_id: UUID | None,  # noqa: ARG002 -- the protocol's
        now: datetime,  # noqa: ARG002 -- the protocol's
    ) -> Mapping[UUID, int]:
        return {}


_registered: list[StockWriter] = []


def register_stock_writer(writer: StockWriter) -> None:
    """Let ``writer`` keep what imports count. The last one registered does."""
    _registered[:] = [writer]


def registered_stock_writer() -> StockWriter:
    return _registered[0] if _registered else _NoStock()
