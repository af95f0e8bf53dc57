"""The shop behind a bad network: its real web server, and a fault proxy before each server."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from catalog.tests.factories import make_product, make_variant
from core.protection.fault_proxy import Faults, running_proxy
from core.tests.processes import wait_until
from inventory.models import Stock
from inventory.tests.factories import make_stock
from orders import services
from orders.models import Order, Payment
from orders.payments.registry import close_providers
from orders.tests.factories import make_shipping_option
from orders.tests.simulating import run_simulator

ROOT = Path(__file__).resolve().parents[2]
OK = {"provider": "simulated", "method": "sim_ok"}
ADDRESS = {
    "full_name": "Ada Buyer",
    "line1": "Linden Street 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}


def postgres_address():
    now = connection.settings_dict
    port = int(now["PORT"] or 5432)
    if str(now["HOST"]).startswith("/"):
        return Path(now["HOST"]) / f".s.PGSQL.{port}"
    return now["HOST"], port


def valkey_address():
    url = urlsplit(django_settings.REDIS_URL)
    return Path(url.path) if url.scheme == "unix" else (url.hostname, url.port or 6379)


def through(place, url):
    """Lead an address through a proxy that listens at that place."""
    parts = urlsplit(url)
    database = parts.query.removeprefix("db=") or parts.path.strip("/")
    if parts.scheme == "unix":
        return f"redis://127.0.0.1:{place[1]}/{database or 0}"
    secret, at, _ = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{secret}{at}127.0.0.1:{place[1]}{parts.path}"


@contextmanager
def shop_behind_proxies():
    """Yield the web server's address, and the proxies before PostgreSQL and Valkey."""
    now = connection.settings_dict
    with ExitStack() as stack:
        postgres, pg_place = stack.enter_context(running_proxy(postgres_address()))
        valkey, valkey_place = stack.enter_context(running_proxy(valkey_address()))
        secret = f":{now['PASSWORD']}" if now["PASSWORD"] else ""
        port = free_port()
        environment = os.environ | {
            "DATABASE_URL": f"postgresql://{now['USER']}{secret}@127.0.0.1:{pg_place[1]}/{now['NAME']}",
            "REDIS_URL": through(valkey_place, django_settings.REDIS_URL),
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "LOG_LEVEL": "ERROR",
            "BYTES_CACHE": "false",
            "LOAD_SHEDDING_MODE": "off",
        }
        command = [
            *(sys.executable, "-m", "granian", "--interface", "wsgi"),
            *("config.wsgi:application", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1", "--blocking-threads", "4", "--backpressure", "32"),
            *("--workers-kill-timeout", "3", "--log-level", "error"),
        ]
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: status_of(f"{url}/api/v1/products") == 200)
            yield url, postgres, valkey
        finally:
            postgres.faults = valkey.faults = Faults()
            process.terminate()
            process.wait(20)


def free_port():
    with running_proxy(("127.0.0.1", 1)) as (_, (_, port)):
        return port


def ask(url, payload=None, **headers):
    request = urllib.request.Request(  # noqa: S310 -- our own address
        url,
        data=None if payload is None else json.dumps(payload).encode(),
        headers={"Content-Type": "application/json"}
        | {name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 -- our own address
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, None


def status_of(url):
    return ask(url)[0]


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

    assert [(status, body["code"]) for status, body in answers] == [
        (504, "deadline_exceeded")
    ] * 3
    # Each had its second, and what it takes to cancel and to hang up; never the 30 s.
    assert took < 3 * 10
    assert (is_live, back) == (200, True)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_without_postgresql_requests_fail_soon_and_the_first_after_it_succeeds():
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
        back = status_of(f"{url}/api/v1/products")

    assert {(status, body["code"]) for status, body in answers} == {
        (503, "service_unavailable")
    }
    # What is left over from a connection that was cut off, and a second for a new one.
    assert max(times) < 3
    assert (is_live, back) == (200, 200)


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
