"""Two carts of one buyer become one."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from inventory import services as inventory_services
from orders import selectors
from orders.exceptions import CartNotFoundError, TooManyLinesError
from orders.models import Cart, CartItem
from orders.selectors import Basket, PricedCart
from orders.services._changing import (
    CHANGED,
    Shopper,
    add_quantities,
    is_second_open_cart,
    raise_checked_out,
    save_touched,
    store_items,
    touched,
)
from orders.services._holding import drop_hold


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
    except IntegrityError as error:
        if not is_second_open_cart(error):
            raise
        # The user's own cart appeared in between; this time it is there to merge into.
        with transaction.atomic():
            return _claim(cart_id, shopper, now)


def _claim(cart_id: UUID, shopper: Shopper, now: datetime) -> PricedCart:
    own = Cart.objects.filter(user=shopper.user_id, state=Cart.State.OPEN)
    # In one order by key, as two claims may meet.
    wanted = Cart.objects.filter(pk__in=[cart_id, *own.values_list("pk", flat=True)])
    carts = list(wanted.select_for_update(no_key=True).order_by("pk"))
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
            reason=CHANGED,
        )
        return selectors.get_cart(cart_id=target.pk, user_id=shopper.user_id, now=now)
    basket = selectors.read_basket(cart_id, shopper.user_id)
    basket.cart.user_id = shopper.user_id
    basket.cart.email = basket.cart.email or shopper.email
    return touched(selectors.price_basket(basket, now=now), now, "user", "email")


def _refuse_too_many_lines(*carts: Cart) -> None:
    variants = CartItem.objects.filter(cart__in=carts).values("variant_id")
    if variants.distinct().count() > settings.CART_MAX_LINES:
        raise TooManyLinesError(limit=settings.CART_MAX_LINES)


def merge_carts(*, source: Cart, target: Cart, now: datetime) -> list[UUID]:
    """Move what is in one locked open cart into another, as far as its limits go.

    Returns the holds that both give up, for the caller to release with one lock.
    """
    given_up = [*drop_hold(source, now), *drop_hold(target, now)]
    basket = Basket(target, selectors.items_of(target))
    brought = selectors.demand_of(selectors.items_of(source))
    add_quantities(basket, brought, now, is_capped=True)
    store_items(basket, brought)
    if source.addressed_at and (
        target.addressed_at is None or source.addressed_at > target.addressed_at
    ):
        target.shipping_address = source.shipping_address
        target.billing_address = source.billing_address
        target.shipping_option_id = source.shipping_option_id
        target.addressed_at = source.addressed_at
    target.email = target.email or source.email
    target.note = target.note or source.note
    save_touched(
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
    save_touched(source, now, "state", "merged_into")
    return given_up
