"""What a client sees of the real shop while its PostgreSQL is out, and when it is back."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.urls import get_resolver

from catalog.tests.factories import make_product, make_variant
from config.embedded import EmbeddedServers
from config.embedded.processes import is_running
from config.tests.drilling import (
    ROOT,
    answer_of,
    ask,
    running_shop,
    shop_behind_proxies,
)
from core.protection.fault_proxy import Faults
from core.tests.processes import wait_until

# What may be told as it was last known. A cart, a checkout, a stock level never is.
TOLD_STALE = {
    "api/schema",
    "api/v1/attributes",
    "api/v1/attributes/<str:key>",
    "api/v1/attributes/<str:key>/values",
    "api/v1/attributes/<str:key>/values/<str:value>",
    "api/v1/categories",
    "api/v1/categories/<str:key>",
    "api/v1/collections",
    "api/v1/collections/<str:key>",
    "api/v1/images/<uuid:pk>",
    "api/v1/products",
    "api/v1/products/<str:key>",
    "api/v1/search",
    "api/v1/variants/<uuid:pk>",
    "api/v1/variants/<uuid:pk>/prices",
    "api/v1/variants/<uuid:pk>/prices/<str:currency>",
    "api/v1/vendors",
    "api/v1/vendors/<str:key>",
}


def test_only_the_catalogue_passes_the_cache_that_is_told_stale():
    found = {
        place
        for place, view in routes(get_resolver())
        if "public_bytes" in view.__code__.co_qualname
    }

    assert found == TOLD_STALE


def routes(resolver, before=""):
    for pattern in resolver.url_patterns:
        place = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern, place)
        elif hasattr(pattern.callback, "__code__"):
            yield place, pattern.callback


def outdate(url=None):
    """Raise the catalogue's generation, as a change in another process does."""
    with redis.Redis.from_url(url or settings.REDIS_URL) as client:
        client.set("shop:generation:catalog", time.time_ns())


def timed(call, *arguments, **headers):
    started = time.monotonic()
    answer = call(*arguments, **headers)
    return answer, time.monotonic() - started


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_with_postgresql_down_the_catalogue_is_told_as_last_known_and_nothing_else():
    product = make_product(title="Lamp")
    variant = make_variant(product=product, prices={"EUR": 1999, "USD": 2299})
    with shop_behind_proxies(BYTES_CACHE="true") as (shop, postgres, _):
        url = f"{shop}/api/v1"
        known = f"{url}/products/{product.id}"
        prices = f"{url}/variants/{variant.id}/prices"
        _, _, before = answer_of(known)
        assert ask(f"{prices}/EUR")[0] == 200
        cart = ask(f"{url}/carts", {})[1]
        cart_url = f"{url}/carts/{cart['id']}"
        assert ask(cart_url)[0] == 200
        outdate()
        postgres.faults = Faults(down=True)

        status, body, headers = answer_of(known)
        conditional = answer_of(known, If_None_Match=before["ETag"])
        euro, dollar = answer_of(f"{prices}/EUR"), answer_of(f"{prices}/USD")
        signed = answer_of(known, Authorization="Bearer of.something.else")
        refused, took = timed(
            lambda: [
                ask(f"{known}?fields=id"),
                ask(f"{url}/carts", {}),
                ask(cart_url),
                ask(f"{cart_url}/checkout", {}, Idempotency_Key=str(uuid4())),
            ]
        )

        postgres.faults = Faults()
        back = wait_until(lambda: not_stale(known), seconds=5)

    assert (status, body["title"]) == (200, "Lamp")
    assert 0 <= int(headers["Age"]) < 60
    assert headers["ETag"] == before["ETag"]
    assert headers["Cache-Control"] == before["Cache-Control"]
    assert (conditional[0], "Age" in conditional[2]) == (304, True)
    assert (euro[0], "Age" in euro[2]) == (200, True)
    assert (dollar[0], "Age" in dollar[2]) == (503, False)
    assert (signed[0], "Age" in signed[2]) in {(401, False), (503, False)}
    assert [(status, body["code"]) for status, body in refused] == [
        (503, "service_unavailable")
    ] * 4
    assert took < 1
    assert (back[0], back[2]["ETag"]) == (200, before["ETag"])


def not_stale(url):
    """Return what is answered there unless it is what was known before."""
    answer = answer_of(url)
    return answer if answer[0] == 200 and "Age" not in answer[2] else None


@pytest.fixture
def servers():
    """A PostgreSQL and a Valkey of this test alone, with the shop's tables."""
    folder = Path(tempfile.mkdtemp(prefix="shop-", dir="/tmp"))
    folder.chmod(0o755)
    postgres = EmbeddedServers(folder / "a", durable=False, with_valkey=False)
    valkey = EmbeddedServers(folder / "b", durable=False, with_postgres=False)
    with valkey:
        postgres.start()
        environment = {
            "DATABASE_URL": postgres.database_url,
            "REDIS_URL": valkey.redis_url,
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "BYTES_CACHE": "true",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env=os.environ | environment,
            check=True,
        )
        yield postgres, environment
        postgres.destroy()
    valkey.destroy()
    shutil.rmtree(folder)


def family_of(pid):
    """Return the process and its children."""
    found = [pid]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = re.search(r"^PPid:\t(\d+)$", status.read_text(), re.MULTILINE)
        except OSError:
            continue
        if parent and int(parent[1]) == pid:
            found.append(int(status.parent.name))
    return found


@contextmanager
def killed(postgres):
    """End it as a machine that loses power does, and start it again."""
    (pid,) = postgres.pids
    family = family_of(pid)
    for member in family:
        os.kill(member, signal.SIGKILL)
    wait_until(lambda: not any(is_running(member) for member in family))
    yield
    postgres.stop()
    postgres.start()


@contextmanager
def stopped(postgres):
    """Let it take connections and say nothing, on those that it has as well."""
    (pid,) = postgres.pids
    family = family_of(pid)
    for member in family:
        os.kill(member, signal.SIGSTOP)
    yield
    for member in family:
        os.kill(member, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fate", "first_seconds", "try_seconds"), [(killed, 1, 1), (stopped, 10, 3)]
)
def test_a_lost_postgresql_costs_readers_little_and_is_back_soon(
    servers, fate, first_seconds, try_seconds
):
    postgres, environment = servers
    with running_shop(**environment) as shop:
        known, cart = f"{shop}/api/v1/products", f"{shop}/api/v1/carts"
        assert "Age" not in answer_of(known)[2]
        assert ask(cart, {})[0] == 201
        outdate(environment["REDIS_URL"])
        with fate(postgres):
            first, first_took = timed(answer_of, known)
            with ThreadPoolExecutor(2) as pool:
                # A try takes a thread for a second, and the others none.
                reads = list(pool.map(lambda _: timed(answer_of, known), range(40)))
                writes = list(pool.map(lambda _: timed(ask, cart, {}), range(40)))
        back_at = time.monotonic()
        wait_until(lambda: not_stale(known), seconds=10)
        back_took = time.monotonic() - back_at
        bought = wait_until(lambda: ask(cart, {})[0] == 201, seconds=10)

    assert (first[0], "Age" in first[2]) == (200, True)
    assert first_took < first_seconds
    assert {(status, "Age" in headers) for (status, _, headers), _ in reads} == {
        (200, True)
    }
    assert {(status, body["code"]) for (status, body), _ in writes} <= {
        (503, "service_unavailable"),
        (504, "deadline_exceeded"),
    }
    for answers in (reads, writes):
        times = sorted(took for _, took in answers)
        assert times[len(times) // 2] < 0.2
        assert times[-1] < try_seconds
    assert back_took < 5
    assert bought


@pytest.mark.slow
def test_a_process_that_has_asked_for_nothing_yet_hangs_on_no_silent_postgresql(
    servers,
):
    """What it reads once for all requests has to end as well: rules, switches, probes."""
    postgres, environment = servers
    with running_shop("/health/live", **environment) as shop:
        with stopped(postgres), ThreadPoolExecutor(3) as pool:
            paths = ("/api/v1/products", "/api/v1/search?q=lamp", "/health/ready")
            found = list(pool.map(lambda path: timed(ask, f"{shop}{path}"), paths))
        wait_until(lambda: ask(f"{shop}/api/v1/products")[0] == 200, seconds=10)
        wait_until(lambda: ask(f"{shop}/health/ready")[0] == 200, seconds=10)

    assert {status for (status, _), _ in found} <= {503, 504}
    assert max(took for _, took in found) < 20
