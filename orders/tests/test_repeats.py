"""The same request many times, at once or after a crash, is one order."""

import signal
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from core.models import IdempotencyRecord
from core.tests.processes import running
from inventory.models import Stock
from orders.models import Cart, Order, Payment
from orders.tests.factories import make_goods
from orders.tests.shopping import OK, check_out, ready_cart

pytestmark = pytest.mark.django_db(transaction=True)


def fifty_times(send):
    def send_and_close(_):
        try:
            return send()
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as threads:
        return list(threads.map(send_and_close, range(50)))


def assert_one_answer(answers, last):
    made = [answer for answer in answers if answer.status_code == 201]
    busy = [answer for answer in answers if answer.status_code == 409]
    assert len(made) + len(busy) == len(answers)
    assert {answer.json()["code"] for answer in busy} <= {"idempotency_in_progress"}
    assert {answer.content for answer in made} == {last.content}
    assert last.headers["Idempotent-Replayed"] == "true"


def test_fifty_equal_checkouts_at_once_are_one_order(api, simulator):
    mug = make_goods(sku="MUG", prices={"EUR": 1000}, on_hand=200)
    cart = ready_cart(api, (mug, 2))

    answers = fifty_times(lambda: check_out(api, cart, key="once"))

    assert_one_answer(answers, check_out(api, cart, key="once"))
    payment = Payment.objects.get()
    assert simulator.kinds_of(payment.idempotency_key) == ["captured"]
    stock = Stock.objects.get(variant=mug)
    assert (stock.on_hand, stock.reserved) == (198, 0)


def test_fifty_equal_posts_at_once_open_one_cart(api):
    line = {"variant_id": str(make_goods().pk), "quantity": 1}

    def open_cart():
        return api.post(
            "/api/v1/carts",
            {"items": [line]},
            format="json",
            headers={"Idempotency-Key": "once"},
        )

    answers = fifty_times(open_cart)

    assert_one_answer(answers, open_cart())
    assert Cart.objects.count() == 1


DYING_CHECKOUT = """
import os, signal, sys
import django
django.setup()
from rest_framework.test import APIClient
module, name = sys.argv[1].rsplit(".", 1)
setattr(
    __import__(module, fromlist=[name]), name,
    lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL),
)
APIClient().post(
    f"/api/v1/carts/{sys.argv[2]}/checkout",
    {"payment": {"provider": "simulated", "method": "sim_ok"}},
    format="json",
    headers={"Idempotency-Key": sys.argv[3]},
)
"""


@pytest.mark.parametrize(
    ("dies_in", "captured_before"),
    [
        ("orders.services._placing._authorize", []),
        ("orders.services._placing.finalize_payment", ["captured"]),
        ("core.idempotency._stored", ["captured"]),
    ],
)
def test_checkout_killed_midway_is_finished_by_its_repetition(
    api, simulator, dies_in, captured_before
):
    mug = make_goods(sku=f"MUG-{uuid4()}", prices={"EUR": 1000}, on_hand=5)
    cart = ready_cart(api, (mug, 2))
    with running(
        *("-c", DYING_CHECKOUT, dies_in, cart["id"], "once"),
        PAYMENT_SIMULATOR_URL=simulator.url,
    ) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, output.decode()
    key = Payment.objects.get().idempotency_key
    assert simulator.kinds_of(key) == captured_before

    busy = check_out(api, cart, OK, key="once")
    IdempotencyRecord.objects.filter(key="once").update(claimed_until=timezone.now())
    resumed = check_out(api, cart, OK, key="once")

    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_in_progress")
    assert resumed.status_code == 201, resumed.content
    order = Order.objects.get()
    assert (resumed.json()["number"], order.payment_status) == (order.number, "paid")
    assert simulator.kinds_of(key) == ["captured"]
    stock = Stock.objects.get(variant=mug)
    assert (stock.on_hand, stock.reserved) == (3, 0)
