"""What a request costs, next to a bare view of the same stack in the same run.

    make bench                          everything, about four minutes
    python -m benchmarks.shop --seconds 3 --only detail,search

Seeds 10,000 products with two variants each, starts the web server as production does (two
processes, fsync on), and prints requests per second, p50, p99 and the ratio to the bare view,
which is measured before and after each for half as long: what else the machine does
weighs on both. Beside it, the same ratio by the processor time of a request (web server,
PostgreSQL and Valkey together), which hardly minds what else the machine does. Absolute
numbers belong to the machine; the ratios are what to compare.
"""

import argparse
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import orjson

from benchmarks.cpu import cpu_seconds
from benchmarks.load import Connection, Load, Result, Step, get
from config import processes
from config.embedded import EmbeddedServers
from config.local_keys import kept_keys

ROOT = Path(__file__).resolve().parents[1]
PRODUCTS = 10_000
ADDRESS = {
    "full_name": "Bench Mark",
    "line1": "Loop 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}


@dataclass(frozen=True, slots=True)
class Bare:
    """What a scenario is compared to."""

    name: str
    step: Step


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    step: Step
    bare: Bare


@dataclass(frozen=True, slots=True)
class Row:
    result: Result
    bare: Result

    @property
    def ratio(self) -> float:
        return self.result.per_second / (self.bare.per_second or 1)

    @property
    def cpu_ratio(self) -> float:
        return self.bare.cpu_ms / (self.result.cpu_ms or 1)


@dataclass(frozen=True, slots=True)
class Site:
    """A running shop: its address, and the processes that it consists of."""

    address: str
    pids: tuple[int, ...]


def main() -> int:
    options = _parse_arguments()
    environment = _production_environment(options.var)
    with _servers(options.var) as servers:
        environment |= {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
        }
        _manage(environment, "migrate", "--verbosity", "0")
        catalogue = _seed(environment)
        with _simulator(environment):
            rows = _measure_all(options, environment, catalogue, servers.pids)
    print(_table(rows))
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--only", default="", help="comma-separated names")
    parser.add_argument("--var", type=Path, default=ROOT / "var" / "bench")
    return parser.parse_args()


def _production_environment(var: Path) -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "FIELD_ENCRYPTION_KEYS": kept_keys(var),
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "SHOP_URL": "http://localhost",
        "DEFAULT_FROM_EMAIL": "shop@example.com",
        "VAR_DIR": str(var),
        "PAYMENT_SIMULATOR_URL": f"http://127.0.0.1:{_free_port()}",
        "LOG_LEVEL": "WARNING",
        # All clients are one address and ask without a pause: they would be turned away.
        "RATE_LIMIT_MODE": "off",
        "LOAD_SHEDDING_MODE": "off",
    }


@contextmanager
def _servers(var: Path) -> Iterator[EmbeddedServers]:
    servers = EmbeddedServers(var, durable=True)
    servers.start()
    try:
        yield servers
    finally:
        servers.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _manage(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def _seed(environment: dict[str, str]) -> dict[str, list[str]]:
    """Fill the database once and return the slugs and variant ids to ask for."""
    command = [sys.executable, "-m", "benchmarks.seed", str(PRODUCTS)]
    finished = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
    )
    catalogue: dict[str, list[str]] = orjson.loads(finished.stdout)
    return catalogue


@contextmanager
def _simulator(environment: dict[str, str]) -> Iterator[None]:
    port = environment["PAYMENT_SIMULATOR_URL"].rpartition(":")[2]
    ledger = Path(environment["VAR_DIR"]) / "payments.jsonl"
    command = [
        sys.executable,
        "-m",
        "orders.payments.simulator",
        "--port",
        port,
        "--ledger",
        str(ledger),
    ]
    with _process(command, environment):
        yield


@contextmanager
def _web(
    environment: dict[str, str], servers: Collection[int], **extra: str
) -> Iterator[Site]:
    """Run the web process as production does."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    with _process(processes.web("127.0.0.1", port), environment | extra) as pid:
        _wait_for(f"{address}/health/live")
        yield Site(address, (pid, *servers))


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(15)


def _wait_for(url: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer within {seconds:.0f} s.")


def _measure_all(
    options: argparse.Namespace,
    environment: dict[str, str],
    catalogue: dict[str, list[str]],
    servers: Collection[int],
) -> list[Row]:
    """Measure warm, then once more with the cache off."""
    warm, cold = _scenarios(catalogue)
    with _web(environment, servers) as site:
        rows = _compare(options, warm, site)
    with _web(environment, servers, BYTES_CACHE="off") as site:
        return rows + _compare(options, cold, site)


def _compare(
    options: argparse.Namespace, scenarios: list[Scenario], site: Site
) -> list[Row]:
    wanted = options.only.split(",") if options.only else [""]
    load = Load(site.address, options.clients)
    rows = []
    for scenario in scenarios:
        if not any(name in scenario.name for name in wanted):
            continue
        bare, result = Result(scenario.bare.name), Result(scenario.name)
        load.warm_up(scenario.step)
        load.warm_up(scenario.bare.step)
        for step, share, into in (
            (scenario.bare.step, 0.5, bare),
            (scenario.step, 1.0, result),
            (scenario.bare.step, 0.5, bare),
        ):
            before = cpu_seconds(site.pids)
            load.measure(step, options.seconds * share, into)
            into.cpu_seconds += cpu_seconds(site.pids) - before
        rows.append(Row(result, bare))
        print(
            f"{result.name:<24}{rows[-1].ratio:>6.2f}{rows[-1].cpu_ratio:>6.2f}",
            file=sys.stderr,
        )
    return rows


def _scenarios(
    catalogue: dict[str, list[str]],
) -> tuple[list[Scenario], list[Scenario]]:
    hello = Bare("hello", get(["/hello"]))
    order = Bare("bare order", _post("/bare-order"))
    slugs, variants = catalogue["slugs"], catalogue["variants"]
    lists = [
        f"/api/v1/products?limit=20&ordering={order}"
        for order in ("newest", "price", "title")
    ]
    filtered = [
        f"/api/v1/products?category=category-{n}&in_stock=true&ordering=price"
        for n in range(20)
    ]
    reads = {
        "list of 20": get(lists),
        "filtered list": get(filtered),
        "detail": get([f"/api/v1/products/{slug}" for slug in slugs[:500]]),
        "search": get([f"/api/v1/search?q={text}" for text in catalogue["searches"]]),
    }
    pay = _checkout(variants, catalogue["shipping_option"][0])
    warm = [Scenario(name, step, hello) for name, step in reads.items()]
    warm.append(Scenario("add to cart", _add_to_cart(variants), hello))
    warm.append(Scenario("checkout flow", pay, order))
    cold = [Scenario(f"{name}, cold", step, hello) for name, step in reads.items()]
    return warm, cold


def _post(path: str) -> Step:
    async def do(connection: Connection, turn: int) -> int:
        status, _ = await connection.request("POST", path, {})
        return status

    return Step(do)


def _add_to_cart(variants: list[str]) -> Step:
    carts: dict[int, str] = {}

    async def do(connection: Connection, turn: int) -> int:
        owner = id(connection)
        if owner not in carts or turn % 20 == 0:
            status, body = await connection.request("POST", "/api/v1/carts", {})
            if status != HTTPStatus.CREATED:
                return status
            carts[owner] = orjson.loads(body)["id"]
        item = {"variant_id": variants[turn % len(variants)], "quantity": 1}
        path = f"/api/v1/carts/{carts[owner]}/items"
        status, _ = await connection.request("POST", path, item)
        return status

    return Step(do)


def _checkout(variants: list[str], shipping_option_id: str) -> Step:
    """Three requests: a cart with two items, address and shipping, pay."""

    async def do(connection: Connection, turn: int) -> int:
        items = [
            {"variant_id": variants[(turn * 2 + n) % len(variants)], "quantity": 1}
            for n in range(2)
        ]
        status, body = await connection.request(
            "POST", "/api/v1/carts", {"items": items}
        )
        if status != HTTPStatus.CREATED:
            return status
        cart = f"/api/v1/carts/{orjson.loads(body)['id']}"
        details = {
            "email": "bench@example.com",
            "shipping_address": ADDRESS,
            "shipping_option_id": shipping_option_id,
        }
        status, _ = await connection.request("PATCH", cart, details)
        if status != 200:
            return status
        payment = {"payment": {"provider": "simulated", "method": "sim_ok"}}
        headers = {"Idempotency-Key": f'"{uuid4()}"'}
        status, _ = await connection.request(
            "POST", f"{cart}/checkout", payment, headers
        )
        return status

    return Step(do)


def _table(rows: list[Row]) -> str:
    columns = ("", "per second", "p50 ms", "p99 ms", "of it", "CPU ms", "of it")
    lines = ["{:<22}{:>11}{:>9}{:>9}{:>8}{:>9}{:>8}  statuses".format(*columns)]
    for row in rows:
        lines.append(_line(row.result, f"{row.ratio:.2f}", f"{row.cpu_ratio:.2f}"))
        lines.append(_line(row.bare, "", ""))
    return "\n".join(lines)


def _line(result: Result, ratio: str, cpu_ratio: str) -> str:
    statuses = ", ".join(f"{code}: {n}" for code, n in sorted(result.statuses.items()))
    return (
        f"{result.name if ratio else '  ' + result.name:<22}{result.per_second:>11.1f}"
        f"{result.percentile(0.5):>9.2f}{result.percentile(0.99):>9.2f}{ratio:>8}"
        f"{result.cpu_ms:>9.2f}{cpu_ratio:>8}  {statuses}"
    )


if __name__ == "__main__":
    sys.exit(main())
