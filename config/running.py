"""Run the whole shop under one roof: servers, migrations, demo shop, and every process in one log."""

import fcntl
import importlib.util
import multiprocessing
import os
import shlex
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from honcho.manager import Manager
from honcho.printer import Printer

from accounts.auth import machine_of
from catalog.models import Product
from config import connections, demo, processes
from config.embedded import EmbeddedError, command_line, require_free_port
from config.embedded.processes import die_with_parent, end_all, marked
from core import key_proofs
from core.exceptions import AuthenticationFailedError

if TYPE_CHECKING:
    from django.db.backends.postgresql.base import DatabaseWrapper

MARK = "SHOPWRIGHT_RUN"
# In a container on a laptop this is no news.
QUIET = "ignore:You're running the worker with superuser"
READY_SECONDS = 60
STOPPED_BY_HAND = {128 + signal.SIGINT, 128 + signal.SIGTERM}


@dataclass(frozen=True)
class Addresses:
    host: str
    port: int

    @property
    def sockets_port(self) -> int:
        return self.port + 1

    @property
    def simulator_port(self) -> int:
        return self.port + 2

    @property
    def url(self) -> str:
        return f"http://{_visible(self.host)}:{self.port}"

    @property
    def sockets_url(self) -> str:
        return f"ws://{_visible(self.host)}:{self.sockets_port}"


def run_shop(
    addresses: Addresses, *, with_demo: bool, with_simulator: bool, output: TextIO
) -> int:
    """Run until Ctrl-C, SIGTERM or the end of one process; leave nothing running.

    :raises EmbeddedError: with the reason in one sentence when the shop cannot start.
    """
    signal.signal(signal.SIGTERM, _leave)
    with_simulator = with_simulator and _has_simulator()
    var = command_line.var_dir()
    with _only_run_of(var):
        _end_left_over(str(var.resolve()), output)
        _require_free_ports(addresses, with_simulator=with_simulator)
        servers = command_line.wanted_servers()
        with servers or nullcontext():
            connections.require_database()
            connections.require_valkey()
            Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
            _prepare_database(with_demo=with_demo, output=output)
            code = _run_processes(
                addresses, with_simulator=with_simulator, output=output
            )
    return 0 if code in STOPPED_BY_HAND else code or 0


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def _only_run_of(var: Path) -> Iterator[None]:
    var.mkdir(parents=True, exist_ok=True)
    with (var / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(
                f"The shop of {var} is already running: use that one, or stop it with Ctrl-C first."
            ) from None
        yield


def _end_left_over(mark: str, output: TextIO) -> None:
    """End the processes of a run that was killed; the lock says that no other run is alive."""
    if orphans := marked(MARK, mark):
        output.write(
            f"Ending {len(orphans)} processes that an earlier run left behind.\n"
        )
        end_all(orphans, seconds=10)


def _require_free_ports(addresses: Addresses, *, with_simulator: bool) -> None:
    require_free_port(addresses.host, addresses.port)
    require_free_port(addresses.host, addresses.sockets_port)
    if with_simulator:
        require_free_port("127.0.0.1", addresses.simulator_port)


def _prepare_database(*, with_demo: bool, output: TextIO) -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        output.write("Bringing the database up to date.\n")
        output.flush()
        call_command("migrate", interactive=False, verbosity=0)
    key_proofs.require_keys()
    if with_demo and "seed" in get_commands() and not Product.objects.exists():
        output.write("Filling the demo shop.\n")
        output.flush()
        call_command("seed")
    _close_pool()


def _close_pool() -> None:
    """End the pool's threads, which must be gone before this process forks."""
    connection.close()
    cast("DatabaseWrapper", connection).close_pool()


def _run_processes(
    addresses: Addresses, *, with_simulator: bool, output: TextIO
) -> int | None:
    # Fork, so that honcho's go-betweens can be tied to us; Python 3.14 no longer does by default.
    multiprocessing.set_start_method("fork", force=True)
    if ask := die_with_parent(signal.SIGKILL):
        os.register_at_fork(after_in_child=ask)
    announcer = Announcer(output, addresses)
    manager = Manager(announcer)
    announcer.is_ending = lambda: manager.returncode is not None
    environment = _environment(addresses, with_simulator=with_simulator)
    commands = {
        "web": ("--host", addresses.host, "--port", str(addresses.port)),
        "sockets": ("--host", addresses.host, "--port", str(addresses.sockets_port)),
        "worker": (),
        "beat": (),
    }
    if with_simulator:
        commands["simulator"] = ("--port", str(addresses.simulator_port))
    for name, arguments in commands.items():
        words = [
            sys.executable,
            "-m",
            "config.processes",
            name,
            "--tethered",
            *arguments,
        ]
        manager.add_process(
            name,
            f"exec {shlex.join(words)}",
            env=environment,
            cwd=str(command_line.BASE_DIR),
        )
    manager.loop()
    code: int | None = manager.returncode
    return code


def _environment(addresses: Addresses, *, with_simulator: bool) -> dict[str, str]:
    environment = dict(os.environ)
    environment[MARK] = str(command_line.var_dir().resolve())
    environment["PYTHONUNBUFFERED"] = "1"
    environment.setdefault("PYTHONWARNINGS", QUIET)
    environment.setdefault("SHOP_URL", addresses.url)
    if sys.stdout.isatty():
        environment["FORCE_COLOR"] = "1"
    if with_simulator:
        environment.setdefault(
            "PAYMENT_SIMULATOR_URL",
            f"unix://{processes.simulator_socket(command_line.var_dir())}",
        )
    return environment


def _has_simulator() -> bool:
    try:
        return importlib.util.find_spec(processes.SIMULATOR) is not None
    except ModuleNotFoundError:
        return False


class Announcer(Printer):  # type: ignore[misc]  # honcho has no types
    """Honcho's log, plus one notice when the shop answers."""

    def __init__(self, output: TextIO, addresses: Addresses) -> None:
        super().__init__(output)
        self._addresses = addresses
        self._demo_emails = _demo_emails()
        self._demo_key = demo_key()
        _close_pool()
        self._waiter: threading.Thread | None = None
        self.is_ending: Callable[[], bool] = lambda: False

    def write(self, message: Any) -> None:
        if self._waiter is None:
            # By its first line honcho has forked every process, so a thread is safe from here on.
            self._waiter = threading.Thread(target=self._announce, daemon=True)
            self._waiter.start()
        super().write(message)

    def _announce(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(self._addresses.url):
            if time.monotonic() > deadline:
                return
            time.sleep(0.1)
        if self.is_ending():
            return
        self.output.write(notice(self._addresses, self._demo_emails, self._demo_key))
        self.output.flush()


def notice(addresses: Addresses, emails: list[str], api_key: str = "") -> str:
    lines = [
        "",
        "The shop is open.",
        f"  API        {addresses.url}/api/v1/",
        f"  API docs   {addresses.url}/api/docs",
        f"  Admin      {addresses.url}/admin/",
        f"  Mail       {addresses.url}/dev/mail",
        f"  Sockets    {addresses.sockets_url}/",
    ]
    if emails:
        lines += ["", f"Demo logins, each with the password {demo.PASSWORD}:"]
        lines += [f"  {email:<24}{demo.ACCOUNTS[email]}" for email in emails]
    if api_key:
        lines += ["", "Demo API key, which reads orders and stock:", f"  {api_key}"]
    lines += ["", "Try:", f"  curl '{addresses.url}/api/v1/products?limit=3'"]
    if api_key:
        bearer = f"-H 'Authorization: Bearer {api_key}'"
        lines += [f"  curl {bearer} '{addresses.url}/api/v1/stock?limit=3'"]
    lines += [
        "",
        "Ctrl-C stops everything.",
        "",
        "",
    ]
    return "\n".join(lines)


def _demo_emails() -> list[str]:
    people = get_user_model().objects.filter(email__in=demo.ACCOUNTS)
    known = set(people.values_list("email", flat=True))
    return [email for email in demo.ACCOUNTS if email in known]


def demo_key() -> str:
    """Return the demo's API key if the shop would let it in."""
    token = demo.api_key()
    try:
        machine_of(token, now=timezone.now())
    except AuthenticationFailedError:
        return ""
    return token.text


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/live", timeout=2) as response:  # noqa: S310 -- our own address
            return bool(response.status == 200)  # noqa: PLR2004 -- HTTP's OK
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _visible(host: str) -> str:
    return "localhost" if host in {"127.0.0.1", "0.0.0.0", "::"} else host  # noqa: S104 -- compared, not bound
