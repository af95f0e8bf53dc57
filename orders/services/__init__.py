from orders.services._carts import (
    Shopper,
    add_cart_item,
    change_cart,
    change_cart_item,
    claim_cart,
    open_cart,
    remove_cart_item,
    reserve_cart,
)

__all__ = [
    "Shopper",
    "add_cart_item",
    "change_cart",
    "change_cart_item",
    "claim_cart",
    "open_cart",
    "remove_cart_item",
    "reserve_cart",
]
