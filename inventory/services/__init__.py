from inventory.services._adjusting import adjust_stock, set_counted_in_bulk
from inventory.services._closing import (
    consume_stock,
    expire_reservations,
    release_holds,
    release_stock,
    return_stock,
)
from inventory.services._configuring import (
    configure_stock,
    create_warehouse,
    update_warehouse,
)
from inventory.services._reserving import reserve_stock

__all__ = [
    "adjust_stock",
    "configure_stock",
    "consume_stock",
    "create_warehouse",
    "expire_reservations",
    "release_holds",
    "release_stock",
    "reserve_stock",
    "return_stock",
    "set_counted_in_bulk",
    "update_warehouse",
]
