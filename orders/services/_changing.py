"""How a cart is changed: its row locked first of all, its version raised last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError

from core.conditional import StaleVersionError, make_etag
from core.rows import insert_all, update
from orders import selectors
from orders.exceptions import CartAlreadyCheckedOutError
from orders.models import Cart, CartItem, Order
from orders.selectors import Basket, PricedCart

CHANGED = "The cart was changed."
ONE_OPEN_CART = "orders_cart_one_open_per_user"
RAISE_QUANTITIES = """
ON CONFLICT (id) DO UPDATE
SET quantity = excluded.quantity, seen_amount = excluded.seen_amount
"""


@dataclass(frozen=True, slots=True)
class Shopper:
    """Who acts on a cart: a signed-in user, or a guest who knows its id."""

    user_id: UUID | None = None
    email: str = ""


def lock_basket(cart_id: UUID, shopper: Shopper) -> Basket:
    """Lock the cart's row: first of all locks, before its order and its stock."""
    return selectors.read_basket(cart_id, shopper.user_id, is_locked=True)


def open_for_change(
    cart_id: UUID, shopper: Shopper, expected_version: int | None = None
) -> Basket:
    """Lock a cart that is open, and that is as the caller saw it.

    :raises CartNotFoundError, CartAlreadyCheckedOutError, StaleVersionError:
    """
    basket = lock_basket(cart_id, shopper)
    if basket.cart.state != Cart.State.OPEN:
        raise_checked_out(cart_id)
    if expected_version not in {None, basket.cart.version}:
        raise StaleVersionError(make_etag(basket.cart.version))
    return basket


def raise_checked_out(cart_id: UUID) -> NoReturn:
    order = Order.objects.filter(cart_id=cart_id).first()
    raise CartAlreadyCheckedOutError(order=standing_of(order) if order else None)


def standing_of(order: Order) -> dict[str, str]:
    """Tell how an order stands, for a problem's body."""
    return {
        "number": order.number,
        "status": order.status,
        "payment_status": order.payment_status,
    }


def is_second_open_cart(error: IntegrityError) -> bool:
    """Say whether somebody was quicker to open another cart of the same user."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) == ONE_OPEN_CART


def add_quantities(
    basket: Basket,
    quantities: Mapping[UUID, int],
    now: datetime,
    *,
    is_capped: bool = False,
) -> None:
    """Raise the lines in memory; ``is_capped`` cuts at the limit instead of refusing."""
    cart, items = basket.cart, basket.items
    by_variant = {line.variant_id: line for line in items}
    for variant_id, quantity in quantities.items():
        line = by_variant.get(variant_id)
        if line is None:
            if is_capped and len(items) >= settings.CART_MAX_LINES:
                continue
            line = CartItem(
                cart=cart, variant_id=variant_id, quantity=0, created_at=now
            )
            items.append(line)
        line.quantity += quantity
        if is_capped:
            line.quantity = min(line.quantity, settings.CART_MAX_QUANTITY)


def store_items(basket: Basket, quantities: Mapping[UUID, int]) -> None:
    insert_all(
        [line for line in basket.items if line.variant_id in quantities],
        conflict=RAISE_QUANTITIES,
    )


def touched(priced: PricedCart, now: datetime, *fields: str) -> PricedCart:
    save_touched(priced.cart, now, *fields)
    return priced


def save_touched(cart: Cart, now: datetime, *fields: str) -> None:
    cart.version += 1
    cart.updated_at = now
    update(cart, *fields, "hold_reference", "version", "updated_at")
