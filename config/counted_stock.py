"""Lets imports of the catalogue count stock, which the catalogue knows nothing of."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from core.errors import DomainError
from inventory import services as inventory_services
from inventory.exceptions import UnknownWarehouseError
from inventory.models import Warehouse


class CountedStock:
    problems: tuple[type[DomainError], ...] = (UnknownWarehouseError,)

    def choose_warehouse(self, code: str) -> str:
        if not code:
            first = Warehouse.objects.filter(is_active=True).order_by(
                "priority", "code"
            )
            return first.values_list("code", flat=True).first() or ""
        if not Warehouse.objects.filter(code=code).exists():
            raise UnknownWarehouseError(f"There is no warehouse {code!r}.")
        return code

    def set_counted(
        self,
        *,
        warehouse_code: str,
        quantities: Mapping[UUID, int],
        reason: str,
        actor_id: UUID | None,
        now: datetime,
    ) -> Mapping[UUID, int]:
        return inventory_services.set_counted_in_bulk(
            warehouse_code=warehouse_code,
            quantities=quantities,
            reason=reason,
            actor_id=actor_id,
            now=now,
        )
