"""The shop behind a bad network: its real web server, and a fault proxy before each server."""

import time
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from catalog.tests.factories import make_product, make_variant
from config.tests.drilling import ask, shop_behind_proxies, status_of
from core.protection.fault_proxy import Faults, running_proxy
from core.tests.processes import wait_until
from inventory.models import Stock
from inventory.tests.factories import make_stock
from orders import services
from orders.models import Order, Payment
from orders.payments.registry import close_providers
from orders.tests.factories import make_shipping_option
from orders.tests.simulating import run_simulator

OK = {"provider": "simulated", "method": "sim_ok"}
ADDRESS = {
    "full_name": "Ada Buyer",
    "line1": "Linden Street 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_with_a_slow_postgresql_requests_end_in_time_and_the_shop_recovers():
    make_product(title="Lamp")
    with shop_behind_proxies() as (url, postgres, _):
        postgres.faults = Faults(latency=30)
        started = time.monotonic()
        answers = [ask(f"{url}/api/v1/products", Request_Timeout="1") for _ in range(3)]
        took = time.monotonic() - started
        is_live = status_of(f"{url}/health/live")

        postgres.faults = Faults()
        postgres.cut_off()
        back = wait_until(lambda: status_of(f"{url}/api/v1/products") == 200)

    told = [(status, body["code"]) for status, body in answers]
    late, out = (504, "deadline_exceeded"), (503, "service_unavailable")
    # Once one was hung up on, the others needn't wait for the same server.
    assert (told[0], set(told) <= {late, out}) == (late, True)
    # Each had its second, and what it takes to cancel and to hang up; never the 30 s.
    assert took < 3 * 10
    assert (is_live, back) == (200, True)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_without_postgresql_requests_fail_soon_and_those_after_it_succeed():
    make_product(title="Lamp")
    with shop_behind_proxies() as (url, postgres, _):
        postgres.faults = Faults(down=True)
        answers, times = [], []
        for _ in range(6):
            started = time.monotonic()
            answers.append(ask(f"{url}/api/v1/products"))
            times.append(time.monotonic() - started)
        is_live = status_of(f"{url}/health/live")

        postgres.faults = Faults()
        back_at = time.monotonic()
        wait_until(lambda: status_of(f"{url}/api/v1/products") == 200)
        took = time.monotonic() - back_at

    assert {(status, body["code"]) for status, body in answers} == {
        (503, "service_unavailable")
    }
    # Whoever tries, and perhaps the first; the others hear it from them.
    assert sum(seconds > 0.1 for seconds in times) <= 3
    assert max(times) < 1
    assert is_live == 200
    assert took < 3


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_with_a_slow_valkey_nothing_fails():
    make_product(title="Lamp")
    with shop_behind_proxies() as (url, _, valkey):
        valkey.faults = Faults(latency=2)
        reads = [status_of(f"{url}/api/v1/products") for _ in range(10)]
        writes = [ask(f"{url}/api/v1/carts", {})[0] for _ in range(5)]

    assert set(reads) == {200}
    assert set(writes) == {201}


@pytest.fixture
def proxied_provider(tmp_path):
    """Pay with a simulator that is reached through a proxy."""
    with run_simulator(tmp_path / "ledger.jsonl") as simulator:
        parts = urlsplit(simulator.url)
        with running_proxy((parts.hostname, parts.port)) as (proxy, place):
            url = f"http://{place[0]}:{place[1]}"
            with override_settings(PAYMENT_SIMULATOR_URL=url):
                yield simulator, proxy
                close_providers()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "faults", [Faults(reset=0), Faults(limit=20), Faults(timeout=0)]
)
def test_a_provider_whose_answers_are_lost_doubles_nothing(
    api, proxied_provider, faults
):
    """It takes the money each time it is asked first; its answer never arrives."""
    simulator, proxy = proxied_provider
    stock = make_stock(make_variant(prices={"EUR": 1999}), on_hand=5)
    cart = api.post(
        "/api/v1/carts",
        {"items": [{"variant_id": str(stock.variant_id), "quantity": 1}]},
        format="json",
    ).json()
    details = {
        "email": "ada@example.com",
        "shipping_address": ADDRESS,
        "shipping_option_id": str(make_shipping_option().id),
    }
    api.patch(f"/api/v1/carts/{cart['id']}", details, format="json")
    key = str(uuid4())

    def check_out():
        return api.post(
            f"/api/v1/carts/{cart['id']}/checkout",
            {"payment": OK},
            format="json",
            headers={"Idempotency-Key": key},
        )

    proxy.faults = faults
    first = check_out()
    proxy.faults = Faults()
    repeated = check_out()
    services.settle_payments(now=timezone.now() + timedelta(minutes=5))

    assert first.status_code == 202, first.json()
    assert repeated.status_code in {201, 202}
    payment = Payment.objects.get()
    assert simulator.kinds_of(payment.idempotency_key) == ["captured"]
    assert Order.objects.get().payment_status == "paid"
    assert Stock.objects.get(pk=stock.pk).on_hand == 4
    call_command("verify_ledger")
