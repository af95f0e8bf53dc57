"""What the protection chain costs a request over HTTP, next to the hello view.

    python -m benchmarks.protection_http [--seconds 3]

Two servers run side by side as production runs them, one of them without the chain: neither
its middleware nor the door. Two clients ask each for *hello* by turns. What counts is the
processor time of a request, of the web server and Valkey, by the kernel's account: what
else the machine does hardly weighs on it. The policies are the seeded ones, also those of
routes; one busy caller has the same with a quota of his own that he can't use up.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from benchmarks import shop
from benchmarks.cpu import cpu_seconds
from benchmarks.load import Connection, Load, Result, Step

MOST_SHARE = 0.15
TURNS = 5
CLIENTS = 2
BUSY = "198.51.100.7"
# Each of them asks some times a second, and none comes near his quota.
CALLERS = 400
OWN_QUOTA = f"""
from core.models import RateLimitPolicy
for name, window in (("burst", 10), ("minute", 60)):
    RateLimitPolicy.objects.get_or_create(
        name=name, principal="ip:{BUSY}", role="anonymous", window_seconds=window,
        defaults={{"quota": 200_000 * window}},
    )
"""
# The stage is that of the benchmarks of requests.
# ruff: noqa: SLF001 -- see above
Address = Callable[[], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--var", type=Path, default=shop.ROOT / "var" / "bench")
    options = parser.parse_args()
    environment = shop._production_environment(options.var) | {
        "RATE_LIMIT_MODE": "enforce",
        "LOAD_SHEDDING_MODE": "enforce",
        "TRUSTED_PROXY_HOPS": "1",
        "WEB_PROCESSES": "1",
    }
    with shop._servers(options.var) as servers:
        environment["DATABASE_URL"] = servers.database_url
        environment["REDIS_URL"] = servers.redis_url
        shop._manage(environment, "migrate", "--verbosity", "0")
        shop._manage(environment, "shell", "--verbosity", "0", "-c", OWN_QUOTA)
        with ExitStack() as stack:
            bare = environment | {"DJANGO_SETTINGS_MODULE": "benchmarks.bare_settings"}
            sites = [
                stack.enter_context(shop._web(settings, servers.pids))
                for settings in (bare, environment)
            ]
            shares = [
                _share(name, sites, address, options.seconds)
                for name, address in (
                    ("one busy caller", lambda: BUSY),
                    (f"{CALLERS} callers by turns", _by_turns()),
                )
            ]
    if shares[0] > MOST_SHARE:
        sys.exit(f"More than {MOST_SHARE:.0%}.")


def _by_turns() -> Address:
    numbers = count()

    def address() -> str:
        number = next(numbers) % CALLERS
        return f"203.0.{number // 250}.{number % 250}"

    return address


def _share(
    name: str, sites: list[shop.Site], address: Address, seconds: float
) -> float:
    """Return how much of hello's time the chain takes as well."""

    async def hello(connection: Connection, _turn: int) -> int:
        headers = {"X-Forwarded-For": address()}
        return (await connection.request("GET", "/hello", headers=headers))[0]

    bare, whole = Result("hello"), Result("with the chain")
    step = Step(hello, round=200)
    for _ in range(TURNS):
        for site, result in zip(sites, (bare, whole), strict=True):
            load = Load(site.address, CLIENTS)
            load.warm_up(step)
            before = cpu_seconds(site.pids)
            load.measure(step, seconds, result)
            result.cpu_seconds += cpu_seconds(site.pids) - before
    for result in (bare, whole):
        if set(result.statuses) != {200}:
            sys.exit(f"{result.name} was answered {dict(result.statuses)}.")
    share = whole.cpu_ms / bare.cpu_ms - 1
    print(
        f"{name}: hello {1000 * bare.cpu_ms:.0f} µs,"
        f" with the chain {1000 * whole.cpu_ms:.0f} µs, {share:.1%} more;"
        f" {bare.per_second:.0f} and {whole.per_second:.0f} a second"
    )
    return share


if __name__ == "__main__":
    main()
