from orders.services._canceling import cancel_order
from orders.services._carts import (
    add_cart_item,
    change_cart,
    change_cart_item,
    open_cart,
    remove_cart_item,
)
from orders.services._changing import Shopper
from orders.services._checking import check_ledger
from orders.services._holding import reserve_cart
from orders.services._merging import claim_cart
from orders.services._paying import (
    finalize_payment,
    reverse_payment,
    settle_payments,
)
from orders.services._placing import check_out

__all__ = [
    "Shopper",
    "add_cart_item",
    "cancel_order",
    "change_cart",
    "change_cart_item",
    "check_ledger",
    "check_out",
    "claim_cart",
    "finalize_payment",
    "open_cart",
    "remove_cart_item",
    "reserve_cart",
    "reverse_payment",
    "settle_payments",
]
