"""Addresses and notes of carts and orders rest encrypted, each bound to its row."""

import base64
import json
from uuid import uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from psycopg import sql

from core import rotation, sealed_columns
from core.encryption import TamperedError
from orders.models import Cart, Order
from orders.tests.factories import ADDRESS, make_goods
from orders.tests.shopping import cart_of, check_out, patch, ready_cart

BILLING = {
    "phone": "+49 30 901820",
    "region": "Styria",
    "country": "AT",
    "company": "Hatter & Söhne",
    "full_name": "Mad Hatter",
    "postal_code": "8010",
    "line2": "2nd floor",
    "line1": "Teegasse 3",
    "city": "Graz",
}
NOTE = "Ring at the Dormouse's."
BEFORE = [("orders", "0004_erasable_messages")]


@pytest.fixture
def order(api, db, simulator):
    cart = ready_cart(api, billing_address=BILLING, note=NOTE)
    placed = check_out(api, cart)
    assert placed.status_code == 201, placed.content
    return placed.json()


def stored(table, column, **where):
    (name, value), *_ = where.items()
    query = sql.SQL("SELECT {} FROM {} WHERE {} = %s")
    with connection.cursor() as cursor:
        cursor.execute(
            query.format(*map(sql.Identifier, (column, table, name))), [value]
        )
        return cursor.fetchone()[0]


def as_jsonb_has_it(document):
    """Return the members in the order in which a jsonb column had them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [json.dumps(document)])
        return json.loads(cursor.fetchone()[0])


@pytest.mark.parametrize("column", ["shipping_address", "billing_address", "note"])
@pytest.mark.parametrize("table", ["orders_cart", "orders_order"])
def test_what_the_buyer_says_rests_encrypted(order, table, column):
    text = stored(table, column, email="guest@example.com")

    assert text.startswith("test:")
    raw = base64.urlsafe_b64decode(text.partition(":")[2])
    for said in (*ADDRESS.values(), *BILLING.values(), NOTE):
        assert said.encode() not in raw


def test_an_order_is_answered_as_when_its_addresses_rested_as_jsonb(api, order):
    token = order["access_token"]

    answer = api.get(
        f"/api/v1/orders/{order['number']}", headers={"X-Order-Token": token}
    )

    addresses = answer.json()["addresses"]
    for address, given in (
        (addresses["shipping"], ADDRESS),
        (addresses["billing"], BILLING | {"phone": addresses["billing"]["phone"]}),
    ):
        assert [*address.items()] == [*as_jsonb_has_it(given).items()]
    assert answer.json()["note"] == NOTE


def test_country_and_region_of_an_order_can_be_read_in_the_database(order):
    assert (
        *Order.objects.values_list(
            "shipping_country", "shipping_region", "billing_country", "billing_region"
        ),
    ) == (("DE", "", "AT", "Styria"),)


def test_an_order_that_is_taken_up_again_has_the_new_address(api, db, simulator):
    cart = ready_cart(api)
    declined = check_out(api, cart, {"provider": "simulated", "method": "sim_declined"})
    assert declined.status_code == 402
    patch(api, cart, {"shipping_address": BILLING, "note": NOTE})

    assert check_out(api, cart).status_code == 201

    order = Order.objects.get()
    assert order.shipping_address["city"] == "Graz"
    assert (order.note, order.shipping_country, order.shipping_region) == (
        NOTE,
        "AT",
        "Styria",
    )
    assert (order.billing_country, order.billing_region) == ("AT", "Styria")


@pytest.mark.parametrize("source", ["orders_cart", "orders_order"])
def test_an_address_that_is_moved_to_another_row_does_not_open(order, source):
    other = Order.objects.create(
        cart_id=uuid4(),
        email="other@example.com",
        currency="EUR",
        subtotal_amount=0,
        total_amount=0,
        shipping_address=ADDRESS,
        billing_address=ADDRESS,
        shipping_option_code="flat",
        shipping_option_name="Flat",
        placed_at=timezone.now(),
    )
    moved = stored(source, "shipping_address", email="guest@example.com")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order SET shipping_address = %s WHERE id = %s",
            [moved, other.pk],
        )

    with pytest.raises(TamperedError, match="orders_order shipping_address"):
        _ = Order.objects.get(pk=other.pk).shipping_address


def test_rotation_takes_in_carts_and_orders(order, settings):
    new = base64.b64encode(b"n" * 32).decode()
    both = f"new:{new},{settings.FIELD_ENCRYPTION_KEYS}"
    settings.FIELD_ENCRYPTION_KEYS = both
    assert {Cart, Order} <= {*rotation.encrypted_models()}

    for model in (Cart, Order):
        assert rotation.rotate(model).sealed == 1

    settings.FIELD_ENCRYPTION_KEYS = f"new:{new}"
    for row in (Cart.objects.get(), Order.objects.get()):
        assert row.shipping_address == ADDRESS
        assert row.billing_address["city"] == "Graz"
        assert row.note == NOTE


# The migration of what rested in clear.


def migrate(targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return executor.loader.project_state(targets).apps


@pytest.fixture
def newest():
    executor = MigrationExecutor(connection)
    targets = [
        node for node in executor.loader.graph.leaf_nodes() if node[0] == "orders"
    ]
    yield targets
    migrate(targets)


def contents():
    carts = Cart.objects.order_by("pk")
    orders = Order.objects.order_by("pk")
    names = ("pk", "shipping_address", "billing_address", "note")
    return [[getattr(row, n) for n in names] for row in (*carts, *orders)]


@pytest.fixture
def shop(transactional_db, api, simulator):
    """A shop with carts of every kind, and an order."""
    check_out(api, ready_cart(api, billing_address=BILLING, note=NOTE))
    patch(api, cart_of(api, (make_goods(), 1)), {"note": "test:looks sealed"})
    cart_of(api, (make_goods(), 1))
    return contents()


def test_the_migration_goes_there_and_back(shop, newest):
    old = migrate(BEFORE)

    order = old.get_model("orders", "Order").objects.get()
    assert order.shipping_address == ADDRESS
    assert order.billing_address["line1"] == "Teegasse 3"
    assert order.note == NOTE
    assert stored("orders_order", "note", number=order.number) == NOTE

    migrate(newest)

    assert contents() == shop
    assert stored("orders_order", "note", number=order.number).startswith("test:")
    assert Order.objects.get().billing_region == "Styria"


class Killed(BaseException):
    pass


def test_a_killed_migration_is_gone_on_with(shop, newest, monkeypatch):
    migrate(BEFORE)
    monkeypatch.setattr(sealed_columns, "BATCH", 1)
    write, written = sealed_columns._write, []  # noqa: SLF001 -- it dies in the midst

    def write_two(model, rows, columns):
        if len(written) == 2:
            raise Killed
        written.extend(rows)
        write(model, rows, columns)

    with monkeypatch.context() as patched:
        patched.setattr(sealed_columns, "_write", write_two)
        with pytest.raises(Killed):
            migrate(newest)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders_cart WHERE plain_note IS NULL")
        assert cursor.fetchone() == (2,)

    migrate(newest)

    assert contents() == shop
