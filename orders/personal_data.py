"""What orders holds on people. Orders stay for the tax office, without the person."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from core.models import IdempotencyRecord
from core.personal_data import Person, delete, hold, keep, wait_while
from core.retention import delete_some, kept_until, remove_by
from orders.models import (
    Cart,
    CartItem,
    Order,
    OrderLine,
    Payment,
    PaymentEvent,
    TimelineEntry,
)

# A parcel needs its address. Later than this nothing is sent any more.
UNDER_WAY_FOR = timedelta(days=30)
_ERASED_EMAIL = "erased@invalid"
_ERASED_COLUMNS = ("user", "email", "note", "shipping_address", "billing_address")


def _own(person: Person) -> Q:
    """Say which are theirs: those of the account, and a guest's under their address."""
    own = Q(user_id=person.user_id)
    return own | Q(user=None, email__iexact=person.email) if person.email else own


def _carts(person: Person) -> QuerySet[Cart]:
    """Return their carts, and those of a guest that were merged into one of theirs."""
    own = Cart.objects.filter(_own(person))
    return Cart.objects.filter(Q(pk__in=own.values("pk")) | Q(merged_into__in=own))


def _orders(person: Person) -> QuerySet[Order]:
    return Order.objects.filter(_own(person))


def _answers(person: Person) -> QuerySet[IdempotencyRecord]:
    """Return what was answered to whoever knew the cart, or about an order to anybody."""
    carts = {*_carts(person).values_list("pk", flat=True)}
    orders = [*_orders(person).values_list("cart_id", "number")]
    scopes = {f"cart:{pk}" for pk in carts.union(cart_id for cart_id, _ in orders)}
    abouts = {f"order:{number}" for _, number in orders}
    return IdempotencyRecord.objects.filter(Q(scope__in=scopes) | Q(about__in=abouts))


def _without_person(address: Mapping[str, str]) -> dict[str, str]:
    """Keep of an address what tells the tax, and the names of the other members."""
    return {
        name: text if name in {"country", "region"} else ""
        for name, text in address.items()
    }


def _erase_orders(rows: QuerySet[Order], _: datetime) -> None:
    # One by one: what rests encrypted is sealed for its row.
    for order in rows.select_for_update(no_key=True):
        order.user = None
        order.email = _ERASED_EMAIL
        order.note = ""
        order.shipping_address = _without_person(order.shipping_address)
        order.billing_address = _without_person(order.billing_address)
        order.version += 1
        order.save(update_fields=[*_ERASED_COLUMNS, "version"])


def _erase_messages(rows: QuerySet[Any], _: datetime) -> None:
    """Blank what people wrote, such as why they cancel; the steps themselves stay."""
    with connection.cursor() as cursor:
        # The trigger lets nobody change an entry who doesn't say this.
        cursor.execute("SELECT set_config('shopwright.erases', 'on', true)")
        rows.exclude(message="").update(message="")
        cursor.execute("SELECT set_config('shopwright.erases', '', true)")


def _has_order_under_way(person: Person, now: datetime) -> bool:
    recent = _orders(person).filter(placed_at__gt=now - UNDER_WAY_FOR)
    return recent.filter(status=Order.Status.OPEN).exists()


remove_by(
    "carts",
    lambda now, limit: delete_some(
        Cart.objects.filter(updated_at__lt=kept_until("carts", now=now)), limit
    ),
)
wait_while("an order is under way", _has_order_under_way)
hold("carts", Cart, rows=_carts, erase=delete, withheld=("hold_reference",))
hold(
    "cart_items",
    CartItem,
    rows=lambda person: CartItem.objects.filter(cart__in=_carts(person)),
    erase=keep("They go with their carts."),
)
hold("orders", Order, rows=_orders, erase=_erase_orders)
hold(
    "order_lines",
    OrderLine,
    rows=lambda person: OrderLine.objects.filter(order__in=_orders(person)),
    erase=keep("What was sold, for the tax office; it names nobody."),
)
hold(
    "payments",
    Payment,
    rows=lambda person: Payment.objects.filter(order__in=_orders(person)),
    erase=keep("What was paid, for the tax office; it names nobody."),
    withheld=("idempotency_key", "checkout_key"),
)
hold(
    "payment_events",
    PaymentEvent,
    rows=lambda person: PaymentEvent.objects.filter(payment__order__in=_orders(person)),
    erase=keep("The ledger is never changed; it names nobody."),
)
hold(
    "order_timeline",
    TimelineEntry,
    rows=lambda person: TimelineEntry.objects.filter(order__in=_orders(person)),
    erase=_erase_messages,
)
hold(
    "kept_answers_to_carts",
    IdempotencyRecord,
    rows=_answers,
    erase=delete,
    withheld=("key", "fingerprint", "body", "headers"),
)
