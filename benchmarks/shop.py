"""What a request costs, next to a bare view of the same stack in the same run.

    make bench                          everything, about four minutes
    python -m benchmarks.shop --seconds 3 --only list,detail

Seeds 10,000 products with two variants each, starts the web process as production does (two
processes, fsync on), and prints requests per second, p50, p99 and the ratio to the bare view.
Absolute numbers belong to the machine; the ratios are what to compare.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import orjson

from benchmarks.load import Connection, Result, Step, get, measure
from config.embedded import EmbeddedServers

ROOT = Path(__file__).resolve().parents[1]
PRODUCTS = 10_000
PROCESSES = 2
ADDRESS = {
    "full_name": "Bench Mark",
    "line1": "Loop 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}


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
            results = _measure_all(options, environment, catalogue)
    print(_table(results))
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
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "VAR_DIR": str(var),
        "PAYMENT_SIMULATOR_URL": f"http://127.0.0.1:{_free_port()}",
        "LOG_LEVEL": "WARNING",
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
def _web(environment: dict[str, str], **extra: str) -> Iterator[str]:
    """Run the web process as production does; yield its address."""
    port = _free_port()
    command = [
        *("-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers", str(PROCESSES), "--blocking-threads", "8"),
        *("--backpressure", "64", "--workers-kill-timeout", "5", "--no-access-log"),
        *("--log-level", "warning", "config.wsgi:application"),
    ]
    address = f"http://127.0.0.1:{port}"
    with _process(command, environment | extra):
        _wait_for(f"{address}/health/live")
        yield address


@contextmanager
def _process(arguments: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment)
    try:
        yield
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
) -> list[tuple[Result, str]]:
    """Measure warm, then once more with the cache off; name what each is compared to."""
    wanted = set(filter(None, options.only.split(",")))
    warm, cold = _scenarios(catalogue)
    results = []

    def run(name: str, step: Step, base: str, address: str, clients: int) -> None:
        if wanted and name not in wanted | {"hello", "bare order"}:
            return
        result = measure(
            name, step, base_url=address, clients=clients, seconds=options.seconds
        )
        print(f"{name:<22} {result.per_second:>9.1f}/s", file=sys.stderr)
        results.append((result, base))

    with _web(environment) as address:
        for name, (step, base) in warm.items():
            run(name, step, base, address, options.clients)
    with _web(environment, PUBLIC_CACHE="off") as address:
        for name, (step, base) in cold.items():
            run(name, step, base, address, options.clients)
    return results


def _scenarios(
    catalogue: dict[str, list[str]],
) -> tuple[dict[str, tuple[Step, str]], dict[str, tuple[Step, str]]]:
    slugs, variants = catalogue["slugs"], catalogue["variants"]
    lists = [
        f"/api/v1/products?limit=20&ordering={order}"
        for order in ("newest", "price", "title")
    ]
    filtered = [
        f"/api/v1/products?category=category-{n}&in_stock=true&ordering=price"
        for n in range(20)
    ]
    details = [f"/api/v1/products/{slug}" for slug in slugs[:500]]
    searches = [f"/api/v1/search?q={word}" for word in catalogue["words"]]
    warm: dict[str, tuple[Step, str]] = {
        "hello": (get(["/hello"]), "hello"),
        "list of 20": (get(lists), "hello"),
        "filtered list": (get(filtered), "hello"),
        "detail": (get(details), "hello"),
        "search": (get(searches), "hello"),
        "add to cart": (_add_to_cart(variants), "hello"),
        "bare order": (_post("/bare-order"), "bare order"),
        "checkout flow": (
            _checkout(variants, catalogue["shipping_option"][0]),
            "bare order",
        ),
    }
    cold: dict[str, tuple[Step, str]] = {
        "hello (cache off)": (get(["/hello"]), "hello (cache off)"),
        "list of 20 (cache off)": (get(lists), "hello (cache off)"),
        "filtered (cache off)": (get(filtered), "hello (cache off)"),
        "detail (cache off)": (get(details), "hello (cache off)"),
        "search (cache off)": (get(searches), "hello (cache off)"),
    }
    return warm, cold


def _post(path: str) -> Step:
    async def step(connection: Connection, turn: int) -> int:
        status, _ = await connection.request("POST", path, {})
        return status

    return step


def _add_to_cart(variants: list[str]) -> Step:
    carts: dict[int, str] = {}

    async def step(connection: Connection, turn: int) -> int:
        owner = id(connection)
        if owner not in carts or turn % 20 == 0:
            _, body = await connection.request("POST", "/api/v1/carts", {})
            carts[owner] = orjson.loads(body)["id"]
        item = {"variant_id": variants[turn % len(variants)], "quantity": 1}
        path = f"/api/v1/carts/{carts[owner]}/items"
        status, _ = await connection.request("POST", path, item)
        return status

    return step


def _checkout(variants: list[str], shipping_option_id: str) -> Step:
    """Three requests: a cart with two items, address and shipping, pay."""

    async def step(connection: Connection, turn: int) -> int:
        items = [
            {"variant_id": variants[(turn * 2 + n) % len(variants)], "quantity": 1}
            for n in range(2)
        ]
        status, body = await connection.request(
            "POST", "/api/v1/carts", {"items": items}
        )
        if status != 201:
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

    return step


def _table(results: list[tuple[Result, str]]) -> str:
    rates = {result.name: result.per_second for result, _ in results}
    lines = [
        f"{'what':<24}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}{'ratio':>8}  statuses"
    ]
    for result, base in results:
        ratio = result.per_second / rates[base] if rates.get(base) else float("nan")
        statuses = ", ".join(
            f"{code}: {count}" for code, count in sorted(result.statuses.items())
        )
        lines.append(
            f"{result.name:<24}{result.per_second:>12.1f}{result.percentile(0.5):>10.2f}"
            f"{result.percentile(0.99):>10.2f}{ratio:>8.2f}  {statuses}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
