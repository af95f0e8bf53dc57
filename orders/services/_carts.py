"""What a buyer does with a cart. Every change locks its row and raises its version."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from core.prepared import prepared_cursor
from core.rows import as_json, insertion
from orders import selectors
from orders.exceptions import CartItemNotFoundError
from orders.models import Cart, CartItem
from orders.selectors import Basket, PricedCart
from orders.services._changing import (
    Shopper,
    add_quantities,
    is_second_open_cart,
    open_for_change,
    store_items,
    touched,
)
from orders.services._holding import give_up_hold
from orders.services._pricing import change_currency, choose_shipping, price_with

OPEN = f"""
WITH opened AS (
    {insertion(Cart, "%(cart)s")}
)
{insertion(CartItem, "%(items)s")}
"""


def open_cart(
    *,
    shopper: Shopper,
    currency: str | None,
    quantities: Mapping[UUID, int],
    now: datetime,
) -> tuple[PricedCart, bool]:
    """Start a cart with these variants; return it and whether it is a new one.

    A user has one open cart, so what he brings joins the one that he has.

    :raises QuantityTooHighError, VariantUnavailableError, InsufficientStockError:
        and then nothing is kept.
    """
    if shopper.user_id is None:
        return _start_cart(shopper, currency, quantities, now), True
    try:
        with transaction.atomic():
            joined = _join_open_cart(shopper.user_id, currency, quantities, now)
            if joined:
                return joined, False
            return _start_cart(shopper, currency, quantities, now), True
    except IntegrityError as error:
        if not is_second_open_cart(error):
            raise
        # Another request of the same user opened his cart at the same moment.
        with transaction.atomic():
            joined = _join_open_cart(shopper.user_id, currency, quantities, now)
        if joined is None:
            raise
        return joined, False


def _start_cart(
    shopper: Shopper,
    currency: str | None,
    quantities: Mapping[UUID, int],
    now: datetime,
) -> PricedCart:
    cart = Cart(
        user_id=shopper.user_id,
        email=shopper.email,
        currency=currency or settings.SHOP_CURRENCY,
        created_at=now,
        updated_at=now,
    )
    items = [
        CartItem(cart=cart, variant_id=variant_id, quantity=quantity, created_at=now)
        for variant_id, quantity in quantities.items()
    ]
    basket = Basket(cart, items)
    priced = price_with(basket, changed=quantities, at="#/items", now=now)
    # One statement, which needs no transaction around it.
    with prepared_cursor() as cursor:
        cursor.execute(OPEN, {"cart": as_json([cart]), "items": as_json(items)})
    return priced


def _join_open_cart(
    user_id: UUID, currency: str | None, quantities: Mapping[UUID, int], now: datetime
) -> PricedCart | None:
    basket = selectors.find_open_basket(user_id, is_locked=True)
    if basket is None:
        return None
    give_up_hold(basket.cart, now)
    if currency and currency != basket.cart.currency:
        change_currency(basket, currency)
    add_quantities(basket, quantities, now)
    priced = price_with(basket, changed=quantities, at="#/items", now=now)
    store_items(basket, quantities)
    return touched(priced, now, "currency")


@transaction.atomic
def add_cart_item(
    *,
    cart_id: UUID,
    shopper: Shopper,
    variant_id: UUID,
    quantity: int,
    expected_version: int | None = None,
    now: datetime,
) -> PricedCart:
    """Put units of a variant into the cart; a second time raises its line's quantity.

    :raises QuantityTooHighError, VariantUnavailableError, InsufficientStockError:
    """
    basket = open_for_change(cart_id, shopper, expected_version)
    give_up_hold(basket.cart, now)
    quantities = {variant_id: quantity}
    add_quantities(basket, quantities, now)
    priced = price_with(basket, changed=quantities, now=now)
    store_items(basket, quantities)
    return touched(priced, now)


@transaction.atomic
def change_cart_item(
    *,
    cart_id: UUID,
    shopper: Shopper,
    item_id: UUID,
    quantity: int,
    expected_version: int | None = None,
    now: datetime,
) -> PricedCart:
    """Set a line's quantity, and take note of its present price.

    :raises CartItemNotFoundError, QuantityTooHighError, VariantUnavailableError,
        InsufficientStockError:
    """
    basket = open_for_change(cart_id, shopper, expected_version)
    line = _line(basket.items, item_id)
    give_up_hold(basket.cart, now)
    line.quantity = quantity
    changed = {line.variant_id: quantity}
    priced = price_with(basket, changed=changed, now=now)
    line.save(update_fields=["quantity", "seen_amount"])
    return touched(priced, now)


@transaction.atomic
def remove_cart_item(
    *,
    cart_id: UUID,
    shopper: Shopper,
    item_id: UUID,
    expected_version: int | None = None,
    now: datetime,
) -> PricedCart:
    basket = open_for_change(cart_id, shopper, expected_version)
    line = _line(basket.items, item_id)
    give_up_hold(basket.cart, now)
    CartItem.objects.filter(pk=item_id).delete()
    basket.items.remove(line)
    return touched(selectors.price_basket(basket, now=now), now)


@transaction.atomic
def change_cart(
    *,
    cart_id: UUID,
    shopper: Shopper,
    changes: Mapping[str, Any],
    expected_version: int | None = None,
    now: datetime,
) -> PricedCart:
    """Change what the buyer says of himself and of the delivery.

    ``changes`` holds any of email, shipping_address, billing_address,
    shipping_option_id and note; None takes an address or the option away.

    :raises ShippingOptionUnavailableError: for one that isn't offered to this cart.
    """
    basket = open_for_change(cart_id, shopper, expected_version)
    cart = basket.cart
    fields = ["email", "note", "shipping_address", "billing_address"]
    for name in fields:
        if name in changes:
            setattr(cart, name, changes[name])
    if "shipping_address" in changes or "billing_address" in changes:
        cart.addressed_at = now
    if "shipping_option_id" in changes:
        choose_shipping(basket, changes["shipping_option_id"])
    priced = selectors.price_basket(basket, now=now)
    return touched(priced, now, *fields, "addressed_at", "shipping_option")


def _line(items: Iterable[CartItem], item_id: UUID) -> CartItem:
    for line in items:
        if line.pk == item_id:
            return line
    raise CartItemNotFoundError
