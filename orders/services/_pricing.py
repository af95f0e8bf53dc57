"""A change of a cart, priced before it is stored, and refused where it can't be."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.conf import settings

from core.errors import FieldError
from inventory.exceptions import InsufficientStockError
from orders import selectors
from orders.exceptions import (
    QuantityTooHighError,
    ShippingOptionUnavailableError,
    TooManyLinesError,
    VariantUnavailableError,
)
from orders.models import CartItem
from orders.selectors import Basket, PricedCart


def price_with(
    basket: Basket,
    *,
    changed: Collection[UUID],
    at: str = "#/quantity",
    now: datetime,
) -> PricedCart:
    """Price the cart as it is about to be, and refuse what can't be in it.

    The changed lines remember the price that the buyer is going to see. ``at`` is the
    place of the payload to blame.
    """
    _refuse_excess(basket.items, changed, at)
    priced = selectors.price_basket(basket, now=now)
    demand = priced.demand()
    added = [line for line in priced.lines if line.variant_id in changed]
    unknown = [str(line.variant_id) for line in added if line.variant is None]
    if unknown:
        raise VariantUnavailableError(variant_ids=unknown)
    short = {
        line.variant_id: max(0, line.available)
        for line in added
        if line.available < demand[line.variant_id]
    }
    if short:
        raise InsufficientStockError(
            available=short,
            wanted=len(changed),
            errors=[
                FieldError(
                    at,
                    InsufficientStockError.code,
                    f"Only {left} are left.",
                    {"available": left, "variant_id": str(variant_id)},
                )
                for variant_id, left in short.items()
            ],
        )
    return _noting_prices(priced, basket.items, changed)


def _refuse_excess(
    items: Sequence[CartItem], changed: Collection[UUID], at: str
) -> None:
    if len(items) > settings.CART_MAX_LINES:
        raise TooManyLinesError(limit=settings.CART_MAX_LINES)
    limit = settings.CART_MAX_QUANTITY
    errors = [
        FieldError(
            at,
            QuantityTooHighError.code,
            f"At most {limit} of one variant.",
            {"limit": limit, "variant_id": str(line.variant_id)},
        )
        for line in items
        if line.variant_id in changed and line.quantity > limit
    ]
    if errors:
        raise QuantityTooHighError(errors[0].detail, limit=limit, errors=errors)


def _noting_prices(
    priced: PricedCart, items: Iterable[CartItem], changed: Collection[UUID]
) -> PricedCart:
    seen = {line.id: line.unit_price for line in priced.lines}
    noted = set()
    for line in items:
        unit = seen[line.pk]
        if line.variant_id in changed and unit is not None:
            line.seen_amount = unit.amount
            noted.add(line.pk)
    problems = tuple(
        problem
        for problem in priced.problems
        if not (problem.code == "price_changed" and problem.item_id in noted)
    )
    return replace(priced, problems=problems)


def choose_shipping(basket: Basket, option_id: UUID | None) -> None:
    """Have the cart sent by another option, or by none.

    :raises ShippingOptionUnavailableError: for one that isn't offered to this cart.
    """
    cart = basket.cart
    if option_id is None:
        cart.shipping_option, basket.rate = None, None
        return
    rate = selectors.find_shipping_rate(option_id, cart.currency)
    country = selectors.country_of(cart)
    if rate is None or (country is not None and not rate.option.serves(country)):
        raise ShippingOptionUnavailableError
    cart.shipping_option, basket.rate = rate.option, rate


def change_currency(basket: Basket, currency: str) -> None:
    """Have the cart priced in another currency; nobody has seen those prices yet."""
    cart = basket.cart
    cart.currency, basket.rate = currency, None
    if cart.shipping_option_id is not None:
        basket.rate = selectors.find_shipping_rate(cart.shipping_option_id, currency)
    cart.items.update(seen_amount=None)
    for line in basket.items:
        line.seen_amount = None
