"""What the whole protection chain costs an admitted request, next to the hello view.

``python -m benchmarks.protection_cost``

One process asks the WSGI application by turns with and without the chain's middleware, and
counts the processor time of its own thread: what else the machine does hardly weighs on
it. A real Valkey answers; policies are the seeded ones for visitors, but so wide that
nobody is refused. The server around it (granian) is left out on both sides, which makes
the share larger than it is in production.
"""

import argparse
import io
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.embedded import EmbeddedServers

MOST_SHARE = 0.15
ROUNDS = 3000
Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="shop-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        servers = EmbeddedServers(
            Path(folder) / "var", durable=False, with_postgres=False
        )
        servers.start()
        try:
            _set_up(servers.redis_url, Path(folder))
            share = _measure(rounds)
        finally:
            servers.destroy()
    if share > MOST_SHARE:
        sys.exit(f"More than {MOST_SHARE:.0%}.")


def _set_up(redis_url: str, folder: Path) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "localhost",
        "SHOP_URL": "http://localhost",
        "DEFAULT_FROM_EMAIL": "shop@example.com",
        "FIELD_ENCRYPTION_KEYS": _some_key(folder),
        # Nobody listens there, and hello asks for nothing.
        "DATABASE_URL": "postgresql://x@127.0.0.1:1/x",
        "REDIS_URL": redis_url,
        "LOG_LEVEL": "ERROR",
    }
    import django  # noqa: PLC0415 -- settings first

    django.setup()
    from core.protection.keeper import Keeper  # noqa: PLC0415 -- settings first
    from core.protection.policies import Policy  # noqa: PLC0415 -- settings first
    from core.protection.rules import Rulebook, Rules  # noqa: PLC0415 -- settings first

    rules = Rules([Policy("burst", 2_000_000, 10), Policy("minute", 6_000_000, 60)])
    # A thread keeps the rules in production; here none takes time from what is measured.
    Rulebook.current = lambda _: rules  # type: ignore[method-assign]  # no database to read them from
    Keeper.wake = lambda _: True  # type: ignore[method-assign]  # the same


def _some_key(folder: Path) -> str:
    from config.local_keys import kept_keys  # noqa: PLC0415 -- with the rest

    return kept_keys(folder)


def _measure(rounds: int) -> float:
    from django.conf import settings  # noqa: PLC0415 -- settings first

    from core.protection.switches import SETTINGS  # noqa: PLC0415 -- settings first

    without = [m for m in settings.MIDDLEWARE if not m.startswith("core.protection.")]
    bare, whole = _application(without), _application(list(settings.MIDDLEWARE))
    runs = {"none": (bare, ""), "all": (whole, "")}
    runs |= {name: (whole, name) for name in SETTINGS if name != "breakers"}
    told = 0.0
    for caller, is_busy in (("one busy caller", True), ("always a new address", False)):
        times: dict[str, list[float]] = {name: [] for name in runs}
        for n in range(rounds):
            for place, (name, (application, off)) in enumerate(runs.items()):
                # Each has callers of its own: none knows another's.
                number = 0 if is_busy else n
                address = f"198.{place}.{number // 250}.{number % 250}"
                _switch_off(off)
                times[name].append(_seconds(application, address))
        median = {name: statistics.median(t) * 1e6 for name, t in times.items()}
        cost = median["all"] - median["none"]
        print(f"{caller}: hello {median['none']:.0f} µs, the chain {cost:.0f} µs")
        for name in runs:
            if runs[name][1]:
                print(f"    {name:16} {median['all'] - median[name]:6.1f} µs")
        share = cost / median["none"]
        print(f"    {share:.1%} of hello")
        told = told or share
    return told


def _switch_off(protection: str) -> None:
    from core.protection.switches import SETTINGS, Positions, switchboard  # noqa: PLC0415 -- settings first

    modes = {name: "off" if name == protection else "enforce" for name in SETTINGS}
    switchboard.positions = Positions(modes)


def _application(middleware: list[str]) -> Application:
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 -- settings first
    from django.test import override_settings  # noqa: PLC0415 -- settings first

    with override_settings(MIDDLEWARE=middleware):
        return WSGIHandler()


def _seconds(application: Application, address: str) -> float:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/hello",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "application/json",
        "REMOTE_ADDR": address,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    begun = time.thread_time()
    response = application(environ, _start)
    for _ in response:
        pass
    response.close()
    return time.thread_time() - begun


def _start(status: str, _headers: list[tuple[str, str]]) -> None:
    if not status.startswith("200"):
        sys.exit(f"hello was answered {status}.")


if __name__ == "__main__":
    main()
