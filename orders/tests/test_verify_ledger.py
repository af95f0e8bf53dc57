from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from core.ids import uuid7
from core.tests.delivery import deliver_all
from inventory.models import Stock
from orders.models import Order, Payment
from orders.tasks import check_ledger
from orders.tests.factories import make_goods
from orders.tests.shopping import (
    cancel,
    check_out,
    claim_payment,
    place,
    ready_cart,
    verify,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_simulator")]


def tamper(statement, *parameters):
    """Change what the triggers and constraints would not let anybody change."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount
        cursor.execute("SET LOCAL session_replication_role = origin")


def drop_constraint(table, name):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def test_clean_ledger_adds_up(api):
    place(api, (make_goods(), 2), (make_goods(), 1))
    order = place(api)
    cancel(api, order, token=order["access_token"])
    check_out(api, ready_cart(api), {"provider": "simulated", "method": "sim_declined"})
    claim_payment(ready_cart(api))
    deliver_all()

    assert verify() == ["The ledger adds up."]


def test_paid_backorder_adds_up(api):
    mug = make_goods(on_hand=1)
    Stock.objects.filter(variant=mug).update(backorder_limit=5)

    place(api, (mug, 3))
    deliver_all()

    assert verify() == ["The ledger adds up."]


def test_broken_ledger_exits_with_one(api):
    place(api)
    tamper("UPDATE orders_order SET status = 'completed'")

    with pytest.raises(CommandError, match="1 rows break the ledger") as error:
        call_command("verify_ledger", stdout=StringIO())

    assert error.value.returncode == 1


LONG_AGO = timezone.now() - timedelta(hours=1)


@pytest.mark.parametrize(
    ("invariant", "statement", "subject"),
    [
        ("I1", "UPDATE inventory_stock SET on_hand = on_hand + 1", "stock"),
        ("I1", "DELETE FROM inventory_movement WHERE kind = 'shipped'", "stock"),
        ("I3", "UPDATE inventory_reservation SET state = 'active'", "stock"),
        ("I4", "UPDATE inventory_reservation SET state = 'released'", "order SW"),
        ("I4", "UPDATE inventory_reservation SET quantity = 1", "order SW"),
        ("I4", "DELETE FROM inventory_reservation", "order SW"),
        (
            "I4",
            "UPDATE orders_orderline SET variant_id = gen_random_uuid()",
            "order SW",
        ),
        ("I5", "UPDATE orders_paymentevent SET amount = amount + 1", "payment order:"),
        (
            "I5",
            "UPDATE orders_paymentevent SET amount = 1 WHERE kind = 'authorized'",
            "payment order:",
        ),
        ("I5", "UPDATE orders_payment SET amount = amount + 1", "payment order:"),
        ("I5", "UPDATE orders_paymentevent SET currency = 'USD'", "payment order:"),
        ("I7", "DELETE FROM orders_paymentevent", "payment order:"),
        (
            "I8",
            "UPDATE orders_orderline SET unit_amount = 1, total_amount = quantity",
            "order SW",
        ),
        ("I8", "DELETE FROM orders_orderline", "order SW"),
        ("I11", "UPDATE orders_order SET status = 'completed'", "order SW"),
        (
            "I11",
            (
                "UPDATE orders_timelineentry SET from_state = 'failed'"
                " WHERE to_state = 'paid'"
            ),
            "order SW",
        ),
        ("I11", "DELETE FROM orders_timelineentry WHERE to_state = 'paid'", "order SW"),
        (
            "I12",
            "DELETE FROM core_outboxevent WHERE name = 'orders.order_placed'",
            "order",
        ),
        (
            "I12",
            (
                "UPDATE core_outboxevent SET dispatched_at = NULL,"
                " occurred_at = now() - interval '1 hour'"
            ),
            "event orders.order_placed",
        ),
        ("I13", "UPDATE orders_cart SET order_id = gen_random_uuid()", "cart"),
        (
            "I14",
            (
                "UPDATE core_idempotencyrecord"
                ' SET headers = \'{"Location": "/api/v1/orders/SW-1"}\''
            ),
            "order SW-1",
        ),
        (
            "I14",
            (
                "UPDATE orders_payment SET status = 'pending',"
                " created_at = now() - interval '1 hour'"
            ),
            "payment order:",
        ),
        (
            "I15",
            "UPDATE orders_payment SET reversal_requested_at = now() - interval '1 hour'",
            "payment order:",
        ),
    ],
)
def test_broken_invariant_is_named(api, invariant, statement, subject):
    place(api, (make_goods(), 2))

    tamper(statement)

    named = [line for line in verify() if line.startswith(f"{invariant} {subject}")]
    assert named, verify()


def test_stock_out_of_its_bounds_is_named(api):
    place(api)

    drop_constraint("inventory_stock", "inventory_stock_on_hand_not_negative")
    tamper("UPDATE inventory_stock SET on_hand = -1, backorder_limit = 5")

    assert any(line.startswith("I2 stock") for line in verify())


def test_overdue_reservation_is_named(api):
    claim_payment(ready_cart(api))

    tamper("UPDATE inventory_reservation SET expires_at = %s", LONG_AGO)

    assert any(line.startswith("I10 stock") for line in verify())


def test_order_paid_twice_is_named(api, own_simulator):
    order = place(api)
    payment = Payment.objects.get()

    payment.pk, payment.generation = uuid7(), 2
    payment.idempotency_key = str(uuid4())
    payment.save(force_insert=True)

    assert (
        f"I6 order {order['number']}: 2 payments are held or taken for it" in verify()
    )


def test_capture_that_only_the_provider_knows_is_named(api):
    place(api)
    key = Payment.objects.get().idempotency_key

    tamper("UPDATE orders_payment SET idempotency_key = 'other'")

    assert f"I6 payment {key}: we captured nothing, the provider 24.90 EUR" in verify()
    assert "I6 payment other: we captured 24.90 EUR, the provider nothing" in verify()


def test_silent_provider_is_said_and_no_violation(api, own_simulator):
    place(api)
    own_simulator.process.kill()
    own_simulator.process.wait()

    assert verify() == [
        "The ledger adds up.",
        "simulated didn't answer: captures were not compared.",
    ]


def test_switched_off_trigger_is_named(api):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_paymentevent DISABLE TRIGGER USER")

    assert any(line.startswith("I7 table orders_paymentevent") for line in verify())


def test_broken_order_constraint_is_named(api):
    place(api)

    drop_constraint("orders_order", "orders_order_total_adds_up")
    Order.objects.update(total_amount=1)

    assert any(line.startswith("I8 order SW") for line in verify())


def gauges(api):
    lines = api.get("/metrics").content.decode().splitlines()
    return dict(
        line.removeprefix("shopwright_invariant_violations").split()
        for line in lines
        if line.startswith("shopwright_invariant_violations{")
    )


def test_periodic_check_leaves_counts_for_metrics_and_logs_what_is_broken(api, caplog):
    place(api)
    deliver_all()

    check_ledger()
    before, silence = gauges(api), caplog.records[:]
    tamper("UPDATE orders_order SET status = 'completed'")
    check_ledger()

    assert set(before.values()) == {"0.0"}
    assert [r for r in silence if r.levelname == "ERROR"] == []
    assert gauges(api) == before | {'{invariant="I11"}': "1.0"}
    [told] = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert told.startswith("1 rows break the ledger (I11: 1); the first is order ")
