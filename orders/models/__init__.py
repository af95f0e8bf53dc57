from orders.models._carts import Cart, CartItem
from orders.models._orders import Order, OrderLine, TimelineEntry
from orders.models._payments import Payment, PaymentEvent
from orders.models._shipping import ShippingOption, ShippingRate

__all__ = [
    "Cart",
    "CartItem",
    "Order",
    "OrderLine",
    "Payment",
    "PaymentEvent",
    "ShippingOption",
    "ShippingRate",
    "TimelineEntry",
]
