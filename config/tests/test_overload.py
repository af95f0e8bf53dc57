"""More visitors than the shop can serve, over real HTTP: who pays is served, who can wait is told.

Counts, not times: the machine that runs this is as busy as it is.
"""

import os
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import pytest

from catalog.tests.factories import make_product
from config.processes import web
from config.tests.test_race_over_http import (
    ROOT,
    _call,
    _database_url,
    _free_port,
    _prepare_cart,
    _wait_until_live,
    shipping_option,
    simulator_url,
)
from inventory.tests.factories import make_stock

__all__ = ["shipping_option", "simulator_url"]

VISITORS = 40
ROUNDS = 4
CARTS = 3


@contextmanager
def small_shop(simulator_url, mode):
    """Run one process that works on two requests at a time; yield its port."""
    port = _free_port()
    own = {"WEB_THREADS": "2", "WEB_PROCESSES": "1", "LOAD_SHEDDING_MODE": mode}
    environment = os.environ | {
        **own,
        "DATABASE_URL": _database_url(),
        "PAYMENT_SIMULATOR_URL": simulator_url,
        "DJANGO_SETTINGS_MODULE": "config.tests.overload_settings",
        "LOG_LEVEL": "WARNING",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        command = web("127.0.0.1", port)
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _wait_until_live(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def rush(port, slug, carts):
    """Let a crowd in while one buyer pays cart after cart; return what each was told."""
    barrier = Barrier(VISITORS + 1)

    def browse(_):
        barrier.wait()
        return [_call(port, "GET", f"/api/v1/products/{slug}") for _ in range(ROUNDS)]

    def pay_all():
        barrier.wait()
        return [pay(cart_id) for cart_id in carts]

    def pay(cart_id):
        return _call(
            port,
            "POST",
            f"/api/v1/carts/{cart_id}/checkout",
            {"payment": {"provider": "simulated", "method": "sim_ok"}},
            Idempotency_Key=cart_id,
        )[0]

    with ThreadPoolExecutor(VISITORS + 1) as pool:
        paid = pool.submit(pay_all)
        browsed = pool.map(browse, range(VISITORS))
        return paid.result(), [answer for answers in browsed for answer in answers]


def check_out_in_a_crowd(simulator_url, shipping_option, mode):
    product = make_product(
        title="Lamp", variants=[{"sku": "L", "options": {}, "prices": {"EUR": 1999}}]
    )
    stock = make_stock(product.variants.get(), on_hand=100)
    item = {"variant_id": str(stock.variant_id), "quantity": 1}
    with small_shop(simulator_url, mode) as port:
        carts = [_prepare_cart(port, [item], shipping_option.id) for _ in range(CARTS)]
        return rush(port, product.slug, carts)


@pytest.mark.slow
def test_in_a_crowd_who_pays_is_served_and_others_are_told(
    shipping_option, simulator_url
):
    paid, seen = check_out_in_a_crowd(simulator_url, shipping_option, "enforce")

    assert paid == [201] * CARTS
    statuses = Counter(status for status, _ in seen)
    assert set(statuses) == {200, 503}
    assert statuses[503] > len(seen) / 10
    codes = {body["code"] for status, body in seen if status == 503}
    assert codes == {"temporary_reduced_capacity"}


@pytest.mark.slow
def test_without_shedding_nobody_is_told_anything(shipping_option, simulator_url):
    # The control of the test above.
    _, seen = check_out_in_a_crowd(simulator_url, shipping_option, "off")

    assert {status for status, _ in seen} == {200}
