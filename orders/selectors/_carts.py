from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from catalog import selectors as catalog_selectors
from catalog.selectors import PricedVariant
from core.locking import lock_wait
from core.money import MAX_AMOUNT, Money
from core.prepared import prepared_cursor
from core.rows import columns, fetch, load, width
from inventory import selectors as inventory_selectors
from orders.exceptions import CartNotFoundError
from orders.models import Cart, CartItem, ShippingOption, ShippingRate


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


# FOR NO KEY UPDATE follows where the cart is about to be changed.
REACHABLE_CART = f"""
SELECT {columns(Cart, "cart")}, {columns(ShippingOption, "option")}, rate.amount
FROM orders_cart cart
LEFT JOIN orders_shippingoption option ON option.id = cart.shipping_option_id
LEFT JOIN orders_shippingrate rate
    ON rate.option_id = option.id AND rate.currency = cart.currency
WHERE cart.id = %(cart_id)s AND cart.state <> 'merged'
    AND (cart.user_id IS NULL OR cart.user_id = %(user_id)s::uuid)
"""  # noqa: S608 -- made of column names
FOR_UPDATE = "FOR NO KEY UPDATE OF cart"
RATE = f"""
SELECT {columns(ShippingOption, "option")}, rate.amount
FROM orders_shippingoption option
JOIN orders_shippingrate rate ON rate.option_id = option.id
WHERE option.id = %(option_id)s AND rate.currency = %(currency)s AND option.is_active
"""  # noqa: S608 -- made of column names

# What doesn't keep a cart from being checked out: the buyer is told, stock is decided
# by the reservation, and the total by what he expects.
ADVISORY_PROBLEMS = frozenset({"price_changed", "insufficient_stock"})


def carts_of(user_id: UUID | None) -> QuerySet[Cart]:
    """Return the carts that the caller may reach by id: his own and guests'.

    Each comes with its shipping option and ``shipping_amount``, the option's rate in
    the cart's currency.
    """
    rates = ShippingRate.objects.filter(
        option=OuterRef("shipping_option"), currency=OuterRef("currency")
    )
    return (
        Cart.objects.filter(Q(user=None) | Q(user=user_id))
        .exclude(state=Cart.State.MERGED)
        .select_related("shipping_option")
        .annotate(shipping_amount=Subquery(rates.values("amount")))
    )


def reachable_cart(
    cart_id: UUID, user_id: UUID | None, *, is_locked: bool = False
) -> Cart:
    """Return one of ``carts_of``, if wanted with its row locked.

    :raises CartNotFoundError: also for a cart that is somebody else's.
    """
    with lock_wait(), prepared_cursor() as cursor:
        cursor.execute(
            REACHABLE_CART + (FOR_UPDATE if is_locked else ""),
            {"cart_id": cart_id, "user_id": user_id},
        )
        row = cursor.fetchone()
    if row is None:
        raise CartNotFoundError
    split = width(Cart)
    cart = load(Cart, row[:split])
    if row[split] is not None:
        cart.shipping_option = load(ShippingOption, row[split:-1])
    cart.shipping_amount = row[-1]  # type: ignore[attr-defined]  # as carts_of has it
    return cart


def get_cart(*, cart_id: UUID, user_id: UUID | None, now: datetime) -> PricedCart:
    """Return a cart in a fixed number of queries, whatever its size."""
    cart = reachable_cart(cart_id, user_id)
    return price_cart(cart, items_of(cart), now=now)


def get_open_cart(*, user_id: UUID, now: datetime) -> PricedCart:
    cart = carts_of(user_id).filter(user=user_id, state=Cart.State.OPEN).first()
    if cart is None:
        raise CartNotFoundError("You have no open cart.")
    return price_cart(cart, items_of(cart), now=now)


def items_of(cart: Cart) -> list[CartItem]:
    items = fetch(
        CartItem, "WHERE t.cart_id = %(cart_id)s ORDER BY t.id", {"cart_id": cart.pk}
    )
    for line in items:
        line.cart = cart
    return items


def demand_of(lines: Iterable[CartItem | PricedLine]) -> dict[UUID, int]:
    """Sum the quantities by variant: two lines of one variant are one demand."""
    demand: Counter[UUID] = Counter()
    for line in lines:
        demand[line.variant_id] += line.quantity
    return dict(demand)


def price_cart(
    cart: Cart, items: Sequence[CartItem], *, now: datetime, with_stock: bool = True
) -> PricedCart:
    """Look up prices and stock for all lines at once, and say what is in the way.

    ``cart`` comes from ``carts_of``, or carries ``shipping_amount`` otherwise. Without
    stock, nothing counts as available.
    """
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
    shipping = _quoted_shipping(cart)
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


def shipping_options_for(
    *, cart_id: UUID, user_id: UUID | None
) -> list[QuotedShipping]:
    """Return the flat rates for the cart's country, or all while it has no address."""
    cart = reachable_cart(cart_id, user_id)
    return quoted_options(country=country_of(cart), currency=cart.currency)


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


def find_shipping_rate(option_id: UUID, currency: str) -> ShippingRate | None:
    with prepared_cursor() as cursor:
        cursor.execute(RATE, {"option_id": option_id, "currency": currency})
        row = cursor.fetchone()
    if row is None:
        return None
    return ShippingRate(
        option=load(ShippingOption, row[:-1]), currency=currency, amount=row[-1]
    )


def country_of(cart: Cart) -> str | None:
    address: dict[str, Any] | None = cart.shipping_address
    return str(address["country"]) if address else None


def _quoted_shipping(cart: Cart) -> QuotedShipping | None:
    option: ShippingOption | None = cart.shipping_option
    amount: int | None = getattr(cart, "shipping_amount", None)
    country = country_of(cart)
    if option is None or amount is None or not option.is_active:
        return None
    if country is not None and not option.serves(country):
        return None
    return QuotedShipping(
        id=option.pk,
        code=option.code,
        name=option.name,
        price=Money(amount, cart.currency),
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
