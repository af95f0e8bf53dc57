"""A stolen dump tells nobody where an order goes."""

import pytest

from config.tests.dumps import dump, remembered
from core.encryption import _fields
from core.tests.delivery import deliver_all
from orders.tests.conftest import simulator, simulator_process  # noqa: F401 -- fixtures
from orders.tests.factories import make_goods, make_shipping_option
from orders.tests.shopping import cancel, check_out, patch

CANARY = "canary7261"
PHONE = "+4930901820"
ADDRESS = {
    "full_name": f"{CANARY} Bird",
    "company": f"{CANARY} and Sons",
    "line1": f"{CANARY} Street 1",
    "line2": f"{CANARY} floor",
    "city": f"{CANARY}ville",
    "postal_code": "10115",
    "country": "DE",
    "phone": PHONE,
}


def place_order(client):
    """Buy as the shop front does it: a key with every step."""
    option = make_shipping_option()
    goods = [{"variant_id": str(make_goods().pk), "quantity": 1}]
    cart = client.post(
        "/api/v1/carts", {"items": goods}, headers={"Idempotency-Key": "open"}
    ).json()
    changes = {
        "email": "guest@example.com",
        "shipping_address": ADDRESS,
        "billing_address": ADDRESS,
        "shipping_option_id": str(option.pk),
        "note": f"Tell {CANARY}.",
    }
    answer = patch(client, cart, changes, **{"Idempotency-Key": "address"})
    assert answer.json()["problems"] == []
    placed = check_out(client, cart)
    assert placed.status_code == 201, placed.content
    return placed.json()


def sightings():
    words = (CANARY, PHONE)
    kept = [text.decode("latin-1") for text in remembered() if text]
    return [
        text.partition(":")[0]
        for text in (*dump(), *kept)
        if any(word in text for word in words)
    ]


@pytest.mark.django_db(transaction=True)
def test_a_dump_shows_nothing_of_where_an_order_goes(api, simulator, mailoutbox):  # noqa: F811 -- the fixture
    order = place_order(api)
    deliver_all()
    assert CANARY in mailoutbox[0].body

    assert sightings() == []

    answer = cancel(api, order, token=order["access_token"])
    assert answer.json()["addresses"]["shipping"]["line1"] == f"{CANARY} Street 1"
    deliver_all()
    assert sightings() == []


@pytest.mark.django_db(transaction=True)
def test_without_encryption_the_dump_would_show_it(api, simulator, monkeypatch):  # noqa: F811 -- the fixture
    clear = {
        "seal_bound": lambda content, _: f"test:{content.decode()}",
        "unseal_bound": lambda text, _: text.removeprefix("test:").encode(),
        "seal_bytes_bound": lambda content, _: b"test:" + content,
        "unseal_bytes_bound": lambda raw, _: raw.removeprefix(b"test:"),
    }
    for name, function in clear.items():
        monkeypatch.setattr(_fields, name, function)

    place_order(api)

    assert {*sightings()} == {
        "public.orders_cart",
        "public.orders_order",
        "public.core_idempotencyrecord",
    }
