"""A cart as it is read: in one statement, locked if it is about to be changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.locking import lock_wait
from core.prepared import prepared_cursor
from core.rows import columns, fetch, load, width
from orders.exceptions import CartNotFoundError
from orders.models import Cart, CartItem, ShippingOption, ShippingRate

# A statement reads the locked row as it is then, and all others as they were when it
# began. Whoever changes the lines raises the version, so the one that it began with tells
# whether the lines are the locked cart's.
BASKET = f"""
SELECT {columns(Cart, "cart")}, {columns(ShippingOption, "option")}, rate.amount,
    before.version, (
        SELECT json_agg(
            json_build_array(
                line.id, line.variant_id, line.quantity, line.seen_amount, line.created_at
            ) ORDER BY line.id
        )
        FROM orders_cartitem line WHERE line.cart_id = cart.id
    )
FROM orders_cart cart
JOIN orders_cart before ON before.id = cart.id
LEFT JOIN orders_shippingoption option ON option.id = cart.shipping_option_id
LEFT JOIN orders_shippingrate rate
    ON rate.option_id = option.id AND rate.currency = cart.currency
"""  # noqa: S608 -- made of column names
REACHABLE = """
WHERE cart.id = %(cart_id)s AND cart.state <> 'merged'
    AND (cart.user_id IS NULL OR cart.user_id = %(user_id)s::uuid)
"""
OPEN = "WHERE cart.user_id = %(user_id)s AND cart.state = 'open'"
FOR_UPDATE = "FOR NO KEY UPDATE OF cart"
RATE = f"""
SELECT {columns(ShippingOption, "option")}, rate.amount
FROM orders_shippingoption option
JOIN orders_shippingrate rate ON rate.option_id = option.id
WHERE option.id = %(option_id)s AND rate.currency = %(currency)s AND option.is_active
"""  # noqa: S608 -- made of column names


@dataclass(slots=True)
class Basket:
    """A cart with its lines, and what its shipping option costs in its currency."""

    cart: Cart
    items: list[CartItem]
    rate: ShippingRate | None = None


def read_basket(
    cart_id: UUID, user_id: UUID | None, *, is_locked: bool = False
) -> Basket:
    """Return a cart that the caller may reach by its id: his own or a guest's.

    :raises CartNotFoundError: also for a cart that is somebody else's, or was merged.
    """
    basket = _read(REACHABLE, {"cart_id": cart_id, "user_id": user_id}, is_locked)
    if basket is None:
        raise CartNotFoundError
    return basket


def find_open_basket(user_id: UUID, *, is_locked: bool = False) -> Basket | None:
    """Return the one cart that a user fills, if he has begun any."""
    return _read(OPEN, {"user_id": user_id}, is_locked)


def items_of(cart: Cart) -> list[CartItem]:
    items = fetch(
        CartItem, "WHERE t.cart_id = %(cart_id)s ORDER BY t.id", {"cart_id": cart.pk}
    )
    return _with_cart(items, cart)


def find_shipping_rate(option_id: UUID, currency: str) -> ShippingRate | None:
    with prepared_cursor() as cursor:
        cursor.execute(RATE, {"option_id": option_id, "currency": currency})
        row = cursor.fetchone()
    if row is None:
        return None
    return ShippingRate(
        option=load(ShippingOption, row[:-1]), currency=currency, amount=row[-1]
    )


def _read(
    condition: str,
    parameters: Mapping[str, Any],
    is_locked: bool,  # noqa: FBT001 -- private
) -> Basket | None:
    statement = f"{BASKET} {condition} {FOR_UPDATE if is_locked else ''}"
    with lock_wait(), prepared_cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    if row is None:
        return None
    *values, amount, version, lines = row
    cart = load(Cart, values[: width(Cart)])
    rate = None
    if cart.shipping_option_id is not None:
        cart.shipping_option = load(ShippingOption, values[width(Cart) :])
        if amount is not None:
            rate = ShippingRate(
                option=cart.shipping_option, currency=cart.currency, amount=amount
            )
    items = _items(cart, lines) if version == cart.version else items_of(cart)
    return Basket(cart, items, rate)


def _items(cart: Cart, lines: list[Any] | None) -> list[CartItem]:
    items = [
        load(
            CartItem,
            (
                UUID(id_),
                cart.pk,
                UUID(variant_id),
                quantity,
                seen_amount,
                datetime.fromisoformat(created_at),
            ),
        )
        for id_, variant_id, quantity, seen_amount, created_at in lines or []
    ]
    return _with_cart(items, cart)


def _with_cart(items: list[CartItem], cart: Cart) -> list[CartItem]:
    for line in items:
        line.cart = cart
    return items
