"""What a buyer does with a cart. Every change locks its row and raises its version."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from core.conditional import StaleVersionError, make_etag
from core.errors import FieldError
from core.ids import uuid7
from core.prepared import prepared_cursor
from core.rows import as_json, insert_all, insertion, update
from inventory import services as inventory_services
from inventory.exceptions import InsufficientStockError
from orders import selectors
from orders.exceptions import (
    CartAlreadyCheckedOutError,
    CartItemNotFoundError,
    CartNotFoundError,
    HoldNotExtendableError,
    QuantityTooHighError,
    ShippingOptionUnavailableError,
    TooManyLinesError,
    VariantUnavailableError,
)
from orders.models import Cart, CartItem, Order, ShippingOption
from orders.selectors import PricedCart

OPEN = f"""
WITH opened AS (
    {insertion(Cart, "%(cart)s")}
)
{insertion(CartItem, "%(items)s")}
"""
RAISE_QUANTITIES = """
ON CONFLICT (id) DO UPDATE
SET quantity = excluded.quantity, seen_amount = excluded.seen_amount
"""
# One hold, and one extension of it.
MAX_HOLDS = 2
_CHANGED = "The cart was changed."


@dataclass(frozen=True, slots=True)
class Shopper:
    """Who acts on a cart: a signed-in user, or a guest who knows its id."""

    user_id: UUID | None = None
    email: str = ""


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
    except IntegrityError:
        # Another request of the same user opened his cart at the same moment.
        with transaction.atomic():
            joined = _join_open_cart(shopper.user_id, currency, quantities, now)
        if joined is None:
            raise
        return joined, False


@transaction.atomic
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
    priced = _priced_with(cart, items, changed=quantities, at="#/items", now=now)
    with prepared_cursor() as cursor:
        cursor.execute(OPEN, {"cart": as_json([cart]), "items": as_json(items)})
    return priced


def _join_open_cart(
    user_id: UUID, currency: str | None, quantities: Mapping[UUID, int], now: datetime
) -> PricedCart | None:
    carts = selectors.carts_of(user_id).filter(user=user_id, state=Cart.State.OPEN)
    cart = _locked(carts).first()
    if cart is None:
        return None
    _give_up_hold(cart, now)
    items = selectors.items_of(cart)
    if currency and currency != cart.currency:
        cart.currency = currency
        _choose_rate(cart, cart.shipping_option_id)
        cart.items.update(seen_amount=None)
        for line in items:
            line.seen_amount = None
    _add_quantities(cart, items, quantities, now)
    priced = _priced_with(cart, items, changed=quantities, at="#/items", now=now)
    _store_items(items, quantities)
    return _touched(priced, now, "currency")


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
    cart, items = _open_for_change(cart_id, shopper, expected_version)
    _give_up_hold(cart, now)
    quantities = {variant_id: quantity}
    _add_quantities(cart, items, quantities, now)
    priced = _priced_with(cart, items, changed=quantities, now=now)
    _store_items(items, quantities)
    return _touched(priced, now)


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
    cart, items = _open_for_change(cart_id, shopper, expected_version)
    line = _line(items, item_id)
    _give_up_hold(cart, now)
    line.quantity = quantity
    changed = {line.variant_id: quantity}
    priced = _priced_with(cart, items, changed=changed, now=now)
    line.save(update_fields=["quantity", "seen_amount"])
    return _touched(priced, now)


@transaction.atomic
def remove_cart_item(
    *,
    cart_id: UUID,
    shopper: Shopper,
    item_id: UUID,
    expected_version: int | None = None,
    now: datetime,
) -> PricedCart:
    cart, items = _open_for_change(cart_id, shopper, expected_version)
    line = _line(items, item_id)
    _give_up_hold(cart, now)
    CartItem.objects.filter(pk=item_id).delete()
    items.remove(line)
    return _touched(selectors.price_cart(cart, items, now=now), now)


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
    cart, items = _open_for_change(cart_id, shopper, expected_version)
    fields = ["email", "note", "shipping_address", "billing_address"]
    for name in fields:
        if name in changes:
            setattr(cart, name, changes[name])
    if "shipping_address" in changes or "billing_address" in changes:
        cart.addressed_at = now
    if "shipping_option_id" in changes:
        _choose_shipping(cart, changes["shipping_option_id"])
    priced = selectors.price_cart(cart, items, now=now)
    return _touched(priced, now, *fields, "addressed_at", "shipping_option")


@transaction.atomic
def reserve_cart(*, cart_id: UUID, shopper: Shopper, now: datetime) -> PricedCart:
    """Hold the stock of all lines for a while. A second call extends the hold, once.

    A change of the lines gives the hold up, yet doesn't earn another one: until the
    shown time is over, a cart has two holds and no more.

    :raises HoldNotExtendableError, InsufficientStockError:
    """
    cart, items = _open_for_change(cart_id, shopper, None)
    if cart.held_until is None or cart.held_until <= now:
        cart.holds_taken = 0
    if cart.holds_taken >= MAX_HOLDS:
        raise HoldNotExtendableError(reserved_until=cart.held_until)
    if items:
        reference = uuid7()
        until = now + timedelta(seconds=settings.CART_HOLD_SECONDS)
        inventory_services.reserve_stock(
            reference=reference,
            demand=selectors.demand_of(items),
            expires_at=until,
            now=now,
            replacing=cart.hold_reference,
        )
        cart.hold_reference, cart.held_until = reference, until
        cart.holds_taken += 1
    priced = selectors.price_cart(cart, items, now=now)
    return _touched(priced, now, "held_until", "holds_taken")


def claim_cart(*, cart_id: UUID, shopper: Shopper, now: datetime) -> PricedCart:
    """Make a guest's cart the user's own, merged into the one that he has.

    Quantities add up to the limit per line; the newer address wins. Claiming twice
    changes nothing more.

    :raises CartNotFoundError: also for a cart that is somebody else's.
    :raises TooManyLinesError: if both carts together have more lines than one may.
    """
    try:
        with transaction.atomic():
            return _claim(cart_id, shopper, now)
    except IntegrityError:
        # The user's own cart appeared in between; this time it is there to merge into.
        with transaction.atomic():
            return _claim(cart_id, shopper, now)


def _claim(cart_id: UUID, shopper: Shopper, now: datetime) -> PricedCart:
    reachable = selectors.carts_of(shopper.user_id).filter(pk=cart_id)
    own = Cart.objects.filter(user=shopper.user_id, state=Cart.State.OPEN)
    # In one order by key, as two claims may meet.
    carts = list(
        _locked(
            Cart.objects.filter(pk__in=[cart_id, *own.values_list("pk", flat=True)])
        ).order_by("pk")
    )
    guest = next((cart for cart in carts if cart.pk == cart_id), None)
    target = next(
        (c for c in carts if c.user_id == shopper.user_id and c != guest), None
    )
    if guest is None or guest.user_id not in {None, shopper.user_id}:
        raise CartNotFoundError
    if guest.state == Cart.State.CHECKED_OUT:
        raise_checked_out(cart_id)
    if guest.state == Cart.State.MERGED:
        if guest.merged_into_id is None or target is None:
            raise CartNotFoundError
        return selectors.get_cart(cart_id=target.pk, user_id=shopper.user_id, now=now)
    if guest.user_id is None and target is not None:
        _refuse_too_many_lines(guest, target)
        inventory_services.release_holds(
            references=merge_carts(source=guest, target=target, now=now),
            now=now,
            reason=_CHANGED,
        )
        return selectors.get_cart(cart_id=target.pk, user_id=shopper.user_id, now=now)
    guest = reachable.get()
    guest.user_id = shopper.user_id
    guest.email = guest.email or shopper.email
    priced = selectors.price_cart(guest, selectors.items_of(guest), now=now)
    return _touched(priced, now, "user", "email")


def _refuse_too_many_lines(*carts: Cart) -> None:
    variants = CartItem.objects.filter(cart__in=carts).values("variant_id")
    if variants.distinct().count() > settings.CART_MAX_LINES:
        raise TooManyLinesError(limit=settings.CART_MAX_LINES)


def merge_carts(*, source: Cart, target: Cart, now: datetime) -> list[UUID]:
    """Move what is in one locked open cart into another, as far as its limits go.

    Returns the holds that both give up, for the caller to release with one lock.
    """
    given_up = [*_drop_hold(source, now), *_drop_hold(target, now)]
    items = selectors.items_of(target)
    brought = selectors.demand_of(selectors.items_of(source))
    _add_quantities(target, items, brought, now, is_capped=True)
    _store_items(items, brought)
    if source.addressed_at and (
        target.addressed_at is None or source.addressed_at > target.addressed_at
    ):
        target.shipping_address = source.shipping_address
        target.billing_address = source.billing_address
        target.shipping_option_id = source.shipping_option_id
        target.addressed_at = source.addressed_at
    target.email = target.email or source.email
    target.note = target.note or source.note
    _save_touched(
        target,
        now,
        "email",
        "note",
        "shipping_address",
        "billing_address",
        "shipping_option",
        "addressed_at",
    )
    source.state, source.merged_into = Cart.State.MERGED, target
    _save_touched(source, now, "state", "merged_into")
    return given_up


def lock_cart(cart_id: UUID, shopper: Shopper) -> Cart:
    """Lock the cart's row: first of all locks, before its order and its stock."""
    return selectors.reachable_cart(cart_id, shopper.user_id, is_locked=True)


def raise_checked_out(cart_id: UUID) -> None:
    order = Order.objects.filter(cart_id=cart_id).first()
    raise CartAlreadyCheckedOutError(order=standing_of(order) if order else None)


def standing_of(order: Order) -> dict[str, str]:
    """Tell how an order stands, for a problem's body."""
    return {
        "number": order.number,
        "status": order.status,
        "payment_status": order.payment_status,
    }


def _locked(carts: QuerySet[Cart]) -> QuerySet[Cart]:
    return carts.select_for_update(of=("self",), no_key=True)


def _open_for_change(
    cart_id: UUID, shopper: Shopper, expected_version: int | None
) -> tuple[Cart, list[CartItem]]:
    cart = lock_cart(cart_id, shopper)
    if cart.state != Cart.State.OPEN:
        raise_checked_out(cart_id)
    if expected_version not in {None, cart.version}:
        raise StaleVersionError(make_etag(cart.version))
    return cart, selectors.items_of(cart)


def _line(items: Iterable[CartItem], item_id: UUID) -> CartItem:
    for line in items:
        if line.pk == item_id:
            return line
    raise CartItemNotFoundError


def _add_quantities(
    cart: Cart,
    items: list[CartItem],
    quantities: Mapping[UUID, int],
    now: datetime,
    *,
    is_capped: bool = False,
) -> None:
    """Raise the lines in memory; ``is_capped`` cuts at the limit instead of refusing."""
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


def _store_items(items: Sequence[CartItem], quantities: Mapping[UUID, int]) -> None:
    insert_all(
        [line for line in items if line.variant_id in quantities],
        conflict=RAISE_QUANTITIES,
    )


def _priced_with(
    cart: Cart,
    items: Sequence[CartItem],
    *,
    changed: Collection[UUID],
    at: str = "#/quantity",
    now: datetime,
) -> PricedCart:
    """Price the cart as it is about to be, and refuse what can't be in it.

    The changed lines remember the price that the buyer is going to see. ``at`` is the
    place of the payload to blame.
    """
    _refuse_excess(items, changed, at)
    priced = selectors.price_cart(cart, items, now=now)
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
    return _noting_prices(priced, items, changed)


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


def _choose_shipping(cart: Cart, option_id: UUID | None) -> None:
    if option_id is None:
        cart.shipping_option = None
        return
    option = _choose_rate(cart, option_id)
    country = selectors.country_of(cart)
    if option is None or (country is not None and not option.serves(country)):
        raise ShippingOptionUnavailableError
    cart.shipping_option = option


def _choose_rate(cart: Cart, option_id: UUID | None) -> ShippingOption | None:
    rate = option_id and selectors.find_shipping_rate(option_id, cart.currency)
    cart.shipping_amount = rate.amount if rate else None  # type: ignore[attr-defined]  # annotated by carts_of
    return rate.option if rate else None


def _give_up_hold(cart: Cart, now: datetime) -> None:
    inventory_services.release_holds(
        references=_drop_hold(cart, now), now=now, reason=_CHANGED
    )


def _drop_hold(cart: Cart, now: datetime) -> list[UUID]:
    """Forget the cart's hold, and return it if there is still something to release."""
    is_held, reference = cart.is_held(now), cart.hold_reference
    cart.hold_reference = None
    return [reference] if reference is not None and is_held else []


def _touched(priced: PricedCart, now: datetime, *fields: str) -> PricedCart:
    _save_touched(priced.cart, now, *fields)
    return priced


def _save_touched(cart: Cart, now: datetime, *fields: str) -> None:
    cart.version += 1
    cart.updated_at = now
    update(cart, *fields, "hold_reference", "version", "updated_at")
