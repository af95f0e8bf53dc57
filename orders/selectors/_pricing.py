"""What a cart costs today, and what stands between it and its checkout."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from catalog import selectors as catalog_selectors
from catalog.selectors import PricedVariant
from core.money import MAX_AMOUNT, Money
from inventory import selectors as inventory_selectors
from orders.models import Cart, CartItem, ShippingRate
from orders.selectors._baskets import Basket

# What doesn't keep a cart from being checked out: the buyer is told, stock is decided
# by the reservation, and the total by what he expects.
ADVISORY_PROBLEMS = frozenset({"price_changed", "insufficient_stock"})


@dataclass(frozen=True, slots=True)
class Totals:
    """Prices include tax; ``tax`` is what has to be added, and there is none yet."""

    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money

    @property
    def total(self) -> Money:
        return self.subtotal - self.discount + self.shipping + self.tax


@dataclass(frozen=True, slots=True)
class PricedLine:
    id: UUID
    variant_id: UUID
    # None: it can't be bought any more.
    variant: PricedVariant | None
    quantity: int
    available: int
    seen_amount: int | None

    @property
    def unit_price(self) -> Money | None:
        return self.variant.unit if self.variant else None

    @property
    def total(self) -> Money | None:
        return self.variant.unit * self.quantity if self.variant else None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that stands between the cart and its checkout."""

    code: str
    detail: str
    item_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class QuotedShipping:
    id: UUID
    code: str
    name: str
    price: Money


@dataclass(frozen=True, slots=True)
class PricedCart:
    """A cart with today's prices, stock and obstacles."""

    cart: Cart
    lines: tuple[PricedLine, ...]
    shipping_option: QuotedShipping | None
    totals: Totals
    problems: tuple[Problem, ...]
    reserved_until: datetime | None

    def demand(self) -> dict[UUID, int]:
        return demand_of(self.lines)


def demand_of(lines: Iterable[CartItem | PricedLine]) -> dict[UUID, int]:
    """Sum the quantities by variant: two lines of one variant are one demand."""
    demand: Counter[UUID] = Counter()
    for line in lines:
        demand[line.variant_id] += line.quantity
    return dict(demand)


def price_basket(
    basket: Basket, *, now: datetime, with_stock: bool = True
) -> PricedCart:
    """Look up prices and stock for all lines at once, and say what is in the way.

    Without stock, nothing counts as available.
    """
    cart, items = basket.cart, basket.items
    demand = demand_of(items)
    variants: Mapping[UUID, PricedVariant] = {}
    available: Mapping[UUID, int] = {}
    if demand:
        variants = catalog_selectors.get_priced_variants(
            variant_ids=demand, currency=cart.currency
        )
    if demand and with_stock:
        available = inventory_selectors.available_quantities(
            variant_ids=demand, now=now
        )
    is_held = cart.is_held(now)
    lines = tuple(
        PricedLine(
            id=item.pk,
            variant_id=item.variant_id,
            variant=variants.get(item.variant_id),
            quantity=item.quantity,
            # What is held for this cart is there for this cart.
            available=available.get(item.variant_id, 0)
            + (demand[item.variant_id] if is_held else 0),
            seen_amount=item.seen_amount,
        )
        for item in items
    )
    shipping = _quoted_shipping(cart, basket.rate)
    totals = _totals(lines, shipping, cart.currency)
    problems = tuple(
        chain(
            _problems_of_lines(lines, demand),
            _problems_of_total(totals),
            _problems_of_delivery(cart, shipping),
        )
    )
    return PricedCart(
        cart=cart,
        lines=lines,
        shipping_option=shipping,
        totals=totals,
        problems=problems,
        reserved_until=cart.held_until if is_held else None,
    )


def quoted_options(*, country: str | None, currency: str) -> list[QuotedShipping]:
    rates = (
        ShippingRate.objects.filter(currency=currency, option__is_active=True)
        .select_related("option")
        .order_by("option__position", "amount", "option__code")
    )
    return [
        QuotedShipping(
            id=rate.option.pk,
            code=rate.option.code,
            name=rate.option.name,
            price=Money(rate.amount, currency),
        )
        for rate in rates
        if country is None or rate.option.serves(country)
    ]


def country_of(cart: Cart) -> str | None:
    address: dict[str, Any] | None = cart.shipping_address
    return str(address["country"]) if address else None


def _quoted_shipping(cart: Cart, rate: ShippingRate | None) -> QuotedShipping | None:
    country = country_of(cart)
    if rate is None or not rate.option.is_active:
        return None
    option = rate.option
    if country is not None and not option.serves(country):
        return None
    return QuotedShipping(
        id=option.pk,
        code=option.code,
        name=option.name,
        price=Money(rate.amount, rate.currency),
    )


def _totals(
    lines: Sequence[PricedLine], shipping: QuotedShipping | None, currency: str
) -> Totals:
    nothing = Money(0, currency)
    return Totals(
        subtotal=sum((line.total for line in lines if line.total), start=nothing),
        discount=nothing,
        shipping=shipping.price if shipping else nothing,
        tax=nothing,
    )


def _problems_of_lines(
    lines: Sequence[PricedLine], demand: Mapping[UUID, int]
) -> Iterable[Problem]:
    if not lines:
        yield Problem("cart_empty", "There is nothing in the cart.")
    for line in lines:
        if line.variant is None:
            yield Problem("item_unavailable", "It is not sold any more.", line.id)
            continue
        if line.available < demand[line.variant_id]:
            detail = f"Only {max(0, line.available)} are left."
            yield Problem("insufficient_stock", detail, line.id)
        if line.seen_amount not in {None, line.variant.unit.amount}:
            detail = f"It costs {line.variant.unit} now."
            yield Problem("price_changed", detail, line.id)


def _problems_of_total(totals: Totals) -> Iterable[Problem]:
    if totals.total.amount > MAX_AMOUNT:
        yield Problem("total_too_high", "The shop takes no order of this size.")


def _problems_of_delivery(
    cart: Cart, shipping: QuotedShipping | None
) -> Iterable[Problem]:
    if not cart.email:
        yield Problem("email_missing", "Where should the confirmation go?")
    country = country_of(cart)
    if country is None:
        yield Problem("shipping_address_missing", "Where should the goods go?")
    if shipping is not None:
        return
    if country and not quoted_options(country=country, currency=cart.currency):
        detail = f"We don't deliver to {country}."
        yield Problem("shipping_unavailable", detail)
    elif cart.shipping_option_id is not None:
        detail = "The chosen shipping isn't offered for this address."
        yield Problem("shipping_option_unavailable", detail)
    else:
        yield Problem("shipping_option_missing", "How should the goods be sent?")
