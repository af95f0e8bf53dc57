"""200 buyers, 10 units, two web processes, real HTTP: the promise that the shop is built on."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import CheckConstraint

from catalog.tests.factories import make_variant
from inventory.models import Reservation, Stock
from inventory.tests.factories import make_stock
from orders.models import CartItem, Order
from orders.tests.factories import make_shipping_option
from orders.tests.simulating import run_simulator

ROOT = Path(__file__).resolve().parents[2]
BUYERS = 200
UNITS = 10
ADDRESS = {
    "full_name": "Ada Buyer",
    "line1": "Linden Street 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _database_url():
    """The address of the test's own database, for processes beside the test."""
    now = connection.settings_dict
    query = "" if not str(now["HOST"]).startswith("/") else f"?host={now['HOST']}"
    host = now["HOST"] if not query else ""
    port = f":{now['PORT']}" if now["PORT"] and not query else ""
    secret = f":{now['PASSWORD']}" if now["PASSWORD"] else ""
    return f"postgresql://{now['USER']}{secret}@{host}{port}/{now['NAME']}{query}"


@contextmanager
def web_processes(simulator_url, application="config.wsgi:application"):
    """Run two processes of the shop on the test's database; yield their port."""
    port = _free_port()
    environment = os.environ | {
        "DATABASE_URL": _database_url(),
        "PAYMENT_SIMULATOR_URL": simulator_url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "RATE_LIMIT_MODE": "off",
        "LOG_LEVEL": "WARNING",
    }
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", application),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "2"),
        *("--blocking-threads", "8", "--backpressure", "256"),
        *("--workers-kill-timeout", "5", "--log-level", "warning"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _wait_until_live(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_live(port):
    for _ in range(150):
        try:
            if _call(port, "GET", "/health/live")[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("The web processes did not start within 30 s.")


def _call(port, method, path, body=None, **headers):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    payload = None if body is None else json.dumps(body)
    if payload:
        headers["Content-Type"] = "application/json"
    client.request(method, path, payload, headers)
    answer = client.getresponse()
    content = answer.read()
    client.close()
    return answer.status, json.loads(content) if content else None


def _prepare_cart(port, items, option_id):
    status, cart = _call(port, "POST", "/api/v1/carts", {"items": items})
    assert status == 201, cart
    details = {
        "email": "ada@example.com",
        "shipping_address": ADDRESS,
        "shipping_option_id": str(option_id),
    }
    status, body = _call(port, "PATCH", f"/api/v1/carts/{cart['id']}", details)
    assert status == 200, body
    return cart["id"]


def _prepare_carts(port, wishes, option):
    with ThreadPoolExecutor(16) as pool:
        return list(
            pool.map(lambda items: _prepare_cart(port, items, option.id), wishes)
        )


def _check_out_all_at_once(port, carts):
    """Send every checkout at the same moment; return how often each status came back."""
    barrier = Barrier(len(carts))

    def pay(cart_id):
        barrier.wait()
        status, body = _call(
            port,
            "POST",
            f"/api/v1/carts/{cart_id}/checkout",
            {"payment": {"provider": "simulated", "method": "sim_ok"}},
            Idempotency_Key=str(uuid4()),
        )
        return status, body.get("code", "")

    with ThreadPoolExecutor(len(carts)) as pool:
        return Counter(pool.map(pay, carts))


@pytest.fixture
def simulator_url(tmp_path):
    with run_simulator(tmp_path / "ledger.jsonl") as simulator:
        yield simulator.url


@pytest.fixture
def shipping_option(transactional_db):
    return make_shipping_option()


@pytest.fixture
def without_constraints(transactional_db):
    """Drop what would stop the control, and put it back over rows that keep it."""
    dropped = [
        constraint
        for constraint in Stock._meta.constraints  # noqa: SLF001 -- Django documents it
        if isinstance(constraint, CheckConstraint)
    ]
    with connection.schema_editor() as editor:
        for constraint in dropped:
            editor.remove_constraint(Stock, constraint)
    yield
    Stock.objects.update(on_hand=0, reserved=0)
    with connection.schema_editor() as editor:
        for constraint in dropped:
            editor.add_constraint(Stock, constraint)


def _sell(simulator_url, option, buyers, units, **web):
    stock = make_stock(make_variant(prices={"EUR": 1999}), on_hand=units)
    item = {"variant_id": str(stock.variant_id), "quantity": 1}
    with web_processes(simulator_url, **web) as port:
        carts = _prepare_carts(port, [[item]] * buyers, option)
        outcomes = _check_out_all_at_once(port, carts)
    return stock, outcomes


@pytest.mark.slow
def test_200_buyers_for_10_units_get_exactly_10(shipping_option, simulator_url):
    stock, outcomes = _sell(simulator_url, shipping_option, BUYERS, UNITS)

    assert outcomes == {
        (201, ""): UNITS,
        (409, "insufficient_stock"): BUYERS - UNITS,
    }
    stock.refresh_from_db()
    assert (stock.on_hand, stock.reserved) == (0, 0)
    assert Order.objects.filter(payment_status="paid").count() == UNITS
    assert not Reservation.objects.filter(state="active").exists()
    call_command("verify_ledger")


@pytest.mark.slow
def test_without_the_condition_the_same_race_oversells(
    without_constraints, shipping_option, simulator_url
):
    _, outcomes = _sell(
        simulator_url,
        shipping_option,
        BUYERS // 4,
        UNITS,
        application="config.tests.oversell_wsgi:application",
    )

    assert outcomes[201, ""] > UNITS


@pytest.mark.slow
def test_two_variants_bought_in_opposite_order_do_not_deadlock(
    shipping_option, simulator_url
):
    first = make_stock(make_variant(prices={"EUR": 500}), on_hand=100)
    second = make_stock(make_variant(prices={"EUR": 700}), on_hand=100)
    there = [
        {"variant_id": str(stock.variant_id), "quantity": 1}
        for stock in (first, second)
    ]
    with web_processes(simulator_url) as port:
        carts = _prepare_carts(
            port, [there[:: 1 if n % 2 else -1] for n in range(40)], shipping_option
        )
        outcomes = _check_out_all_at_once(port, carts)

    assert outcomes == {(201, ""): 40}
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.on_hand, second.on_hand) == (60, 60)
    call_command("verify_ledger")


def test_one_variant_on_two_lines_is_one_demand(shipping_option, simulator_url):
    stock = make_stock(make_variant(prices={"EUR": 500}), on_hand=3)
    with web_processes(simulator_url) as port:
        one = {"variant_id": str(stock.variant_id), "quantity": 1}
        cart_id = _prepare_cart(port, [one], shipping_option.id)
        # The API adds a variant to its line; two lines of one come from elsewhere.
        line = CartItem.objects.get(cart_id=cart_id)
        line.quantity = 2
        line.save(update_fields=["quantity"])
        CartItem.objects.create(cart_id=cart_id, variant_id=line.variant_id, quantity=2)
        outcomes = _check_out_all_at_once(port, [cart_id])

    assert outcomes == {(409, "insufficient_stock"): 1}
    stock.refresh_from_db()
    assert (stock.on_hand, stock.reserved) == (3, 0)
