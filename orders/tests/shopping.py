"""What a buyer does, and what the tests ask afterwards."""

from contextlib import suppress
from datetime import timedelta
from io import StringIO
from uuid import uuid4

from django.core.management import CommandError, call_command
from django.utils import timezone

from core.models import OutboxEvent
from orders import services
from orders.models import Order
from orders.payments.provider import Outcome, OutcomeStatus
from orders.services._placing import claim_order
from orders.tests.factories import ADDRESS, make_goods, make_shipping_option

OK = {"provider": "simulated", "method": "sim_ok"}
DECLINED = {"provider": "simulated", "method": "sim_declined"}
CAPTURED = Outcome(OutcomeStatus.CAPTURED, reference="sim_1")
REFUSED = Outcome(OutcomeStatus.DECLINED, reference="sim_1", failure_code="stolen")
STARTED = [
    ("status", "", "open"),
    ("payment_status", "", "pending"),
    ("fulfillment_status", "", "unfulfilled"),
]


def open_cart(client, *lines, **fields):
    items = [{"variant_id": str(v.pk), "quantity": n} for v, n in lines]
    return client.post("/api/v1/carts", {"items": items, **fields}, format="json")


def cart_of(client, *lines, **fields):
    response = open_cart(client, *lines, **fields)
    assert response.status_code == 201, response.content
    return response.json()


def patch(client, cart, changes, **headers):
    return client.patch(
        f"/api/v1/carts/{cart['id']}", changes, format="json", headers=headers
    )


def add(client, cart, variant, quantity=1, **headers):
    return client.post(
        f"/api/v1/carts/{cart['id']}/items",
        {"variant_id": str(variant.pk), "quantity": quantity},
        format="json",
        headers=headers,
    )


def ready_cart(client, *lines, **changes):
    """Fill a cart that nothing is missing from."""
    option = make_shipping_option()
    cart = cart_of(client, *(lines or [(make_goods(prices={"EUR": 1000}), 2)]))
    response = patch(
        client,
        cart,
        {
            "email": "guest@example.com",
            "shipping_address": ADDRESS,
            "shipping_option_id": str(option.pk),
        }
        | changes,
    )
    assert response.json()["problems"] == []
    return response.json()


def check_out(client, cart, payment=OK, *, key=None, **body):
    return client.post(
        f"/api/v1/carts/{cart['id']}/checkout",
        {"payment": payment, **body},
        format="json",
        headers={"Idempotency-Key": key or str(uuid4())},
    )


def claim_payment(cart, shopper=None, key="k"):
    """Get a payment as a lost answer leaves it."""
    claim = claim_order(
        cart_id=cart["id"],
        shopper=shopper or services.Shopper(),
        provider_code="simulated",
        method="sim_ok",
        expected_total=None,
        checkout_key=key,
        expected_version=None,
        now=timezone.now(),
    )
    return claim.payment


def place(client, *lines, payment=OK, **changes):
    response = check_out(client, ready_cart(client, *lines, **changes), payment)
    assert response.status_code == 201, response.content
    return response.json()


def cancel(client, order, *, token="", **body):
    headers = {"X-Order-Token": token} if token else {}
    return client.post(
        f"/api/v1/orders/{order['number']}/cancel",
        body,
        format="json",
        headers=headers,
    )


def event_names():
    names = OutboxEvent.objects.order_by("sequence").values_list("name", flat=True)
    return [name for name in names if name.startswith("orders.")]


def timeline():
    entries = Order.objects.get().timeline.order_by("id")
    return [(entry.field, entry.from_state, entry.to_state) for entry in entries]


def later(seconds=30):
    return timezone.now() + timedelta(seconds=seconds)


def verify():
    out, problems = StringIO(), StringIO()
    with suppress(CommandError):
        call_command("verify_ledger", stdout=out, stderr=problems)
    return out.getvalue().splitlines() + problems.getvalue().splitlines()


def shape_of(serializer):
    """Name every member that the fields declare, nested ones by path."""
    names = set()
    for name, field in serializer.fields.items():
        child = getattr(field, "child", field)
        names.add(name)
        if hasattr(child, "fields"):
            names |= {f"{name}.{inner}" for inner in shape_of(child)}
    return names


def members_of(shape):
    names = set()
    for name, value in shape.items():
        names.add(name)
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            names |= {f"{name}.{path}" for path in members_of(inner)}
    return names
