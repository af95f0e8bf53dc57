from datetime import datetime
from uuid import UUID

from orders.exceptions import CartNotFoundError
from orders.selectors._baskets import find_open_basket, read_basket
from orders.selectors._pricing import (
    PricedCart,
    QuotedShipping,
    country_of,
    price_basket,
    quoted_options,
)


def get_cart(*, cart_id: UUID, user_id: UUID | None, now: datetime) -> PricedCart:
    """Return a cart in a fixed number of queries, whatever its size."""
    return price_basket(read_basket(cart_id, user_id), now=now)


def get_open_cart(*, user_id: UUID, now: datetime) -> PricedCart:
    basket = find_open_basket(user_id)
    if basket is None:
        raise CartNotFoundError("You have no open cart.")
    return price_basket(basket, now=now)


def shipping_options_for(
    *, cart_id: UUID, user_id: UUID | None
) -> list[QuotedShipping]:
    """Return the flat rates for the cart's country, or all while it has no address."""
    cart = read_basket(cart_id, user_id).cart
    return quoted_options(country=country_of(cart), currency=cart.currency)
