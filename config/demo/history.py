"""Two months of orders for the demo shop, with the stock, payments and timeline they left behind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid5

from django.db import connection

from accounts.models import User
from catalog.models import Price, Variant
from inventory import services as inventory_services
from inventory.models import Stock
from orders.models import (
    Order,
    OrderLine,
    Payment,
    PaymentEvent,
    ShippingOption,
    TimelineEntry,
)

DAYS = 60
SHIPPED_AFTER = timedelta(days=3)
CANCELED_SHARE = 0.06
DOLLAR_SHARE = 0.2
STARTS = {
    "status": "open",
    "payment_status": "pending",
    "fulfillment_status": "unfulfilled",
}
# Cart ids are derived from a name, so that the same seed gives the same shop.
NAMESPACE = UUID("6b1f3c9e-5d0b-4a55-9c39-3d1f7a0c2b11")
STREETS = ("Linden Street", "Harbour Road", "Mill Lane", "Station Square", "Oak Avenue")
CITIES = (
    ("Berlin", "10115", "DE"),
    ("Hamburg", "20095", "DE"),
    ("Wien", "1010", "AT"),
    ("Amsterdam", "1012 JS", "NL"),
    ("Lisboa", "1100-148", "PT"),
    ("København", "1050", "DK"),
)


@dataclass(slots=True)
class History:
    """All rows, gathered first so that each table is one statement."""

    orders: list[Order] = field(default_factory=list)
    lines: list[OrderLine] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    payment_events: list[PaymentEvent] = field(default_factory=list)
    timeline: list[TimelineEntry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Offer:
    variant: Variant
    amounts: dict[str, int]


def seed_orders(*, people: list[User], random: Random, now: datetime) -> int:
    """Write the orders and move their stock; return how many there are."""
    history = History()
    offers = _offers()
    option = ShippingOption.objects.prefetch_related("rates").get(code="standard")
    for placed_at in sorted(_instants(random, now)):
        buyer = random.choice(people)
        _add_order(history, offers, option, buyer, placed_at, random=random, now=now)
    Order.objects.bulk_create(history.orders)
    OrderLine.objects.bulk_create(history.lines)
    Payment.objects.bulk_create(history.payments)
    PaymentEvent.objects.bulk_create(history.payment_events)
    TimelineEntry.objects.bulk_create(history.timeline)
    _move_stock(history)
    return len(history.orders)


def _offers() -> list[Offer]:
    """Return what there is enough of, so that two months of sales can't run dry."""
    plenty = set(
        Stock.objects.filter(on_hand__gte=40).values_list("variant_id", flat=True)
    )
    amounts: dict[UUID, dict[str, int]] = {}
    for price in Price.objects.filter(variant_id__in=plenty):
        amounts.setdefault(price.variant_id, {})[price.currency] = price.amount
    variants = Variant.objects.filter(id__in=plenty).select_related("product", "image")
    return [Offer(variant, amounts[variant.id]) for variant in variants.order_by("sku")]


def _instants(random: Random, now: datetime) -> Iterator[datetime]:
    """Yield when orders came in: a few a day, more towards the end, the last yesterday.

    The day that runs belongs to real orders, each of which has its events.
    """
    for day in range(DAYS, 0, -1):
        busy = 1 + (DAYS - day) / DAYS
        for _ in range(random.randint(1, round(2 + 2 * busy))):
            yield now - timedelta(days=day, hours=2, minutes=random.randint(0, 1200))


def _add_order(
    history: History,
    offers: list[Offer],
    option: ShippingOption,
    buyer: User,
    placed_at: datetime,
    *,
    random: Random,
    now: datetime,
) -> None:
    number = len(history.orders)
    currency = "USD" if random.random() < DOLLAR_SHARE else "EUR"
    rates = {rate.currency: rate.amount for rate in option.rates.all()}
    order = Order(
        number=f"SW-{100001 + number}",
        cart_id=uuid5(NAMESPACE, str(number)),
        user=buyer,
        email=buyer.email,
        currency=currency,
        shipping_amount=rates[currency],
        subtotal_amount=0,
        total_amount=0,
        shipping_address=(address := demo_address(buyer, number)),
        shipping_country=address["country"],
        billing_address=address,
        billing_country=address["country"],
        shipping_option_code=option.code,
        shipping_option_name=option.name,
        placed_at=placed_at,
        paid_at=placed_at,
        payment_status=Order.PaymentStatus.PAID,
    )
    chosen = random.sample(offers, k=random.randint(1, 4))
    lines = [
        _line(order, offer, place, random.randint(1, 2))
        for place, offer in enumerate(chosen)
    ]
    order.subtotal_amount = sum(line.total_amount for line in lines)
    order.total_amount = order.subtotal_amount + order.shipping_amount
    history.orders.append(order)
    history.lines.extend(lines)
    _add_payment(history, order)
    if random.random() < CANCELED_SHARE:
        _cancel(history, order)
    elif placed_at < now - SHIPPED_AFTER:
        _complete(history, order)


def demo_address(buyer: User, number: int) -> dict[str, str]:
    city, postal_code, country = CITIES[number % len(CITIES)]
    return {
        "full_name": buyer.name,
        "line1": f"{STREETS[number % len(STREETS)]} {number % 80 + 1}",
        "city": city,
        "postal_code": postal_code,
        "country": country,
    }


def _line(order: Order, offer: Offer, place: int, quantity: int) -> OrderLine:
    variant, amount = offer.variant, offer.amounts[order.currency]
    return OrderLine(
        order=order,
        variant_id=variant.id,
        position=place,
        sku=variant.sku,
        title=variant.title,
        product_title=variant.product.title,
        product_slug=variant.product.slug,
        thumbnail_url=variant.image.url if variant.image else "",
        quantity=quantity,
        unit_amount=amount,
        total_amount=amount * quantity,
    )


def _add_payment(history: History, order: Order) -> None:
    payment = Payment(
        order=order,
        provider="simulated",
        method="sim_ok",
        idempotency_key=f"order:{order.id}:authorize:1",
        status=Payment.Status.CAPTURED,
        currency=order.currency,
        amount=order.total_amount,
        provider_reference=f"demo_{order.number}",
        created_at=order.placed_at,
        settled_at=order.placed_at,
    )
    history.payments.append(payment)
    for kind in (PaymentEvent.Kind.AUTHORIZED, PaymentEvent.Kind.CAPTURED):
        _say(history, payment, kind, order.placed_at)
    for state, start in STARTS.items():
        _step(history, order, state, ("", start), order.placed_at)
    _step(history, order, "payment_status", ("pending", "paid"), order.placed_at)


def _cancel(history: History, order: Order) -> None:
    order.status = Order.Status.CANCELED
    order.payment_status = Order.PaymentStatus.REFUNDED
    order.canceled_at = order.placed_at + timedelta(minutes=12)
    payment = history.payments[-1]
    payment.status = Payment.Status.REFUNDED
    _say(history, payment, PaymentEvent.Kind.REFUNDED, order.canceled_at)
    _step(history, order, "status", ("open", "canceled"), order.canceled_at)
    _step(history, order, "payment_status", ("paid", "refunded"), order.canceled_at)


def _complete(history: History, order: Order) -> None:
    order.status = Order.Status.COMPLETED
    order.fulfillment_status = Order.FulfillmentStatus.FULFILLED
    order.completed_at = order.placed_at + SHIPPED_AFTER
    at = order.completed_at
    _step(history, order, "fulfillment_status", ("unfulfilled", "fulfilled"), at)
    _step(history, order, "status", ("open", "completed"), at)


def _say(history: History, payment: Payment, kind: str, at: datetime) -> None:
    history.payment_events.append(
        PaymentEvent(
            payment=payment,
            kind=kind,
            amount=payment.amount,
            currency=payment.currency,
            provider_reference=payment.provider_reference,
            created_at=at,
        )
    )


def _step(
    history: History, order: Order, state: str, change: tuple[str, str], at: datetime
) -> None:
    history.timeline.append(
        TimelineEntry(
            order=order,
            field=state,
            from_state=change[0],
            to_state=change[1],
            created_at=at,
        )
    )


def _plan_anew() -> None:
    """Let statements that are planned once learn how large the tables have become."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE inventory_stock, inventory_reservation")


def _move_stock(history: History) -> None:
    demand: dict[UUID, dict[UUID, int]] = {}
    for line in history.lines:
        demand.setdefault(line.order_id, {})[line.variant_id] = line.quantity
    for number, payment in enumerate(history.payments):
        if number % 100 == 0:
            _plan_anew()
        order = payment.order
        inventory_services.reserve_stock(
            reference=payment.id,
            demand=demand[order.id],
            expires_at=order.placed_at + timedelta(minutes=15),
            now=order.placed_at,
        )
        inventory_services.consume_stock(reference=payment.id, now=order.placed_at)
        if order.canceled_at:
            inventory_services.return_stock(
                reference=payment.id,
                now=order.canceled_at,
                reason="Order canceled",
                actor_id=None,
            )
