"""What orders holds on people. Orders stay for the tax office, without the person."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Func, JSONField, Q, QuerySet

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


def _own(person: Person) -> Q:
    """Say which are theirs: those of the account, and a guest's under their address."""
    own = Q(user_id=person.user_id)
    return own | Q(user=None, email__iexact=person.email) if person.email else own


def _carts(person: Person) -> QuerySet[Cart]:
    return Cart.objects.filter(_own(person))


def _orders(person: Person) -> QuerySet[Order]:
    return Order.objects.filter(_own(person))


def _answers_to_carts(person: Person) -> QuerySet[IdempotencyRecord]:
    carts = [*_carts(person).values_list("pk", flat=True)]
    carts += _orders(person).values_list("cart_id", flat=True)
    return IdempotencyRecord.objects.filter(scope__in=[f"cart:{pk}" for pk in carts])


class _WithoutPerson(Func):
    """Keeps of a stored address what tells the tax, and the names of the other parts."""

    template = (
        "(SELECT coalesce(jsonb_object_agg(key, CASE WHEN key IN ('country', 'region')"
        " THEN value ELSE to_jsonb(''::text) END), '{}') FROM jsonb_each(%(expressions)s))"
    )
    output_field = JSONField()


def _erase_orders(rows: QuerySet[Any], _: datetime) -> None:
    rows.update(
        user=None,
        email=_ERASED_EMAIL,
        note="",
        shipping_address=_WithoutPerson("shipping_address"),
        billing_address=_WithoutPerson("billing_address"),
        version=F("version") + 1,
    )


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
    rows=_answers_to_carts,
    erase=delete,
    withheld=("key", "fingerprint", "body", "headers"),
)
