"""Bad weather for a server that a variable names: the shop is started with the variable leading through a fault proxy.

Nothing of such a server's is ours to take over, so what is to meet the weather has to be
started with the changed address. The proxy listens on a free port of this machine alone.
"""

import math
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from config.chaos import LOOK_SECONDS, ChaosError, described, report, say
from core.protection.fault_proxy import Address, FaultProxy, Faults, running_proxy

LOOPBACK = "127.0.0.1"
ENDING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class NamedServer:
    title: str
    variable: str
    address: Address
    # The variable's value that leads to a port of this machine, and there to the server.
    through: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Drill:
    """``command`` meets the faults after so many seconds, and for so many; it goes on then."""

    faults: Faults
    command: str = ""
    after: float = 0.0
    seconds: float = math.inf
    seed: int = 0


def named_server(name: str) -> NamedServer | None:
    """Return the server that the environment names, or None where it is the built-in one.

    :raises ChaosError: if nobody can stand before it.
    """
    if name == "postgres" and (url := os.environ.get("DATABASE_URL")):
        return named_postgres(url)
    if name == "valkey" and (url := os.environ.get("REDIS_URL")):
        return named_valkey(url)
    return None


def named_postgres(url: str) -> NamedServer:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or parts.hostname or "localhost"
    if "," in parts.netloc + host:
        raise ChaosError("chaos stands before one server: DATABASE_URL names several.")
    port = int(options.pop("port", "") or parts.port or 5432)
    options.pop("hostaddr", None)
    is_socket = host.startswith("/")
    address: Address = Path(host) / f".s.PGSQL.{port}" if is_socket else (host, port)
    own, _, _ = parts.netloc.rpartition("@")

    def through(listening: int) -> str:
        # The name stays, for the certificate that is checked against it.
        name = LOOPBACK if is_socket else f"[{host}]" if ":" in host else host
        place = f"{own}@{name}:{listening}" if own else f"{name}:{listening}"
        query = urlencode(options | {"hostaddr": LOOPBACK})
        return f"{parts.scheme}://{place}{parts.path}?{query}"

    return NamedServer("PostgreSQL", "DATABASE_URL", address, through)


def named_valkey(url: str) -> NamedServer:
    parts = urlsplit(url)
    if parts.scheme == "rediss":
        raise ChaosError(
            "Valkey by TLS is checked against its name, which the proxy doesn't have: give chaos a REDIS_URL without TLS."
        )
    options = dict(parse_qsl(parts.query))
    is_socket = parts.scheme == "unix"
    address: Address = (
        Path(parts.path)
        if is_socket
        else (parts.hostname or "localhost", parts.port or 6379)
    )
    own, at, _ = parts.netloc.rpartition("@")
    path = f"/{options.pop('db', 0)}" if is_socket else parts.path

    def through(listening: int) -> str:
        query = f"?{urlencode(options)}" if options else ""
        return f"redis://{own}{at}{LOOPBACK}:{listening}{path}{query}"

    return NamedServer("Valkey", "REDIS_URL", address, through)


def spoil_named(server: NamedServer, drill: Drill, *, output: TextIO) -> int:
    """Spoil the server's answers for the drill's command, and return what that ended with.

    Without a command it waits for whatever is started by hand.
    """
    with running_proxy(server.address, (LOOPBACK, 0), seed=drill.seed) as (
        proxy,
        place,
    ):
        _, port = cast("tuple[str, int]", place)
        say(output, f"{server.title} is reached through {LOOPBACK}:{port}.")
        if drill.command:
            changed = {server.variable: server.through(port)}
            return _spoil_command(proxy, server.title, drill, changed, output)
        say(
            output,
            f"Start what is to meet the weather with {server.variable} leading there. Ctrl-C ends it.",
        )
        with suppress(KeyboardInterrupt):
            _rain(proxy, server.title, drill, output, lambda: True)
        return 0


def _spoil_command(
    proxy: FaultProxy,
    title: str,
    drill: Drill,
    changed: dict[str, str],
    output: TextIO,
) -> int:
    with _running(shlex.split(drill.command), changed) as process:
        try:
            _rain(proxy, title, drill, output, lambda: process.poll() is None)
            return process.wait()
        except KeyboardInterrupt:
            # Nothing waits for the weather on its way out.
            proxy.faults = Faults()
            return 0


def _rain(
    proxy: FaultProxy,
    title: str,
    drill: Drill,
    output: TextIO,
    goes_on: Callable[[], bool],
) -> None:
    begins = time.monotonic() + drill.after
    while goes_on() and time.monotonic() < begins:
        time.sleep(LOOK_SECONDS)
    if not goes_on():
        return
    proxy.faults = drill.faults
    say(output, f"{title} from now on: {described(drill.faults)}.")
    ends = time.monotonic() + drill.seconds
    report(proxy, output, lambda: goes_on() and time.monotonic() < ends)
    proxy.faults = Faults()
    if goes_on():
        say(output, f"{title} answers as it does again.")


@contextmanager
def _running(
    words: list[str], changed: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(words, env=os.environ | changed)  # noqa: S603 -- what the caller asks for, without a shell
    except OSError as error:
        raise ChaosError(f"{words[0]} can't be started: {error.strerror}.") from error
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
