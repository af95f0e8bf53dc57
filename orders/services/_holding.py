"""Stock that is held for a cart while its buyer makes up his mind."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from core.ids import uuid7
from inventory import services as inventory_services
from orders import selectors
from orders.exceptions import HoldNotExtendableError
from orders.models import Cart
from orders.selectors import PricedCart
from orders.services._changing import CHANGED, Shopper, open_for_change, touched

# One hold, and one extension of it.
MAX_HOLDS = 2


@transaction.atomic
def reserve_cart(*, cart_id: UUID, shopper: Shopper, now: datetime) -> PricedCart:
    """Hold the stock of all lines for a while. A second call extends the hold, once.

    A change of the lines gives the hold up, yet doesn't earn another one: until the
    shown time is over, a cart has two holds and no more.

    :raises HoldNotExtendableError, InsufficientStockError:
    """
    basket = open_for_change(cart_id, shopper)
    cart = basket.cart
    if cart.held_until is None or cart.held_until <= now:
        cart.holds_taken = 0
    if cart.holds_taken >= MAX_HOLDS:
        raise HoldNotExtendableError(reserved_until=cart.held_until)
    if basket.items:
        reference = uuid7()
        until = now + timedelta(seconds=settings.CART_HOLD_SECONDS)
        inventory_services.reserve_stock(
            reference=reference,
            demand=selectors.demand_of(basket.items),
            expires_at=until,
            now=now,
            replacing=cart.hold_reference,
        )
        cart.hold_reference, cart.held_until = reference, until
        cart.holds_taken += 1
    priced = selectors.price_basket(basket, now=now)
    return touched(priced, now, "held_until", "holds_taken")


def give_up_hold(cart: Cart, now: datetime) -> None:
    inventory_services.release_holds(
        references=drop_hold(cart, now), now=now, reason=CHANGED
    )


def drop_hold(cart: Cart, now: datetime) -> list[UUID]:
    """Forget the cart's hold, and return it if there is still something to release."""
    is_held, reference = cart.is_held(now), cart.hold_reference
    cart.hold_reference = None
    return [reference] if reference is not None and is_held else []
