"""Bad weather for the shop that runs on this machine: a fault proxy takes over a server's socket.

The shop needn't know: what connects to the socket's old place meets the proxy, and the
server is reached behind it. In the end the socket is put back where it was.
"""

import fcntl
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TextIO

import psycopg
import redis

from config.embedded import command_line
from config.embedded.places import DATABASE, places
from config.processes import simulator_socket
from core.protection.fault_proxy import FaultProxy, Faults, running_proxy

REPORT_SECONDS, LOOK_SECONDS = 2.0, 0.1
_WORDS = ", ".join(field.name for field in fields(Faults))


class ChaosError(Exception):
    """Says in one sentence why there is none."""


@dataclass(frozen=True, slots=True)
class Server:
    title: str
    socket: Path
    # Ends the connections that there are, which would go past the proxy.
    hang_up: Callable[[Path], None]

    @property
    def behind(self) -> Path:
        return self.socket.parent / "behind" / self.socket.name


def servers() -> dict[str, Server]:
    """Return what stands under the shop of this ``var/``, by the word for it."""
    var = command_line.var_dir()
    found = places(var)
    return {
        "postgres": Server("PostgreSQL", found.postgres_socket, _end_sessions),
        "valkey": Server("Valkey", found.valkey_socket, _end_clients),
        "provider": Server(
            "The payment provider", simulator_socket(var), _hang_up_on_callers
        ),
    }


def parse_faults(words: list[str]) -> Faults:
    """Read ``latency=0.3 slices=100 down``.

    :raises ChaosError: naming the word that can't be read.
    """
    kinds = {field.name: field.type for field in fields(Faults)}
    asked: dict[str, float | int | bool] = {}
    for word in words:
        name, has_value, text = word.partition("=")
        if name not in kinds:
            raise ChaosError(f"There is no fault {name!r}: use {_WORDS}.")
        if name == "down" and not has_value:
            asked[name] = True
            continue
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if name == "down" or not 0 <= number <= 1e9:  # noqa: PLR2004 -- more than any fault needs
            raise ChaosError(
                f"{word!r} can't be read: say {name}=NUMBER, or down alone."
            )
        is_whole = name in {"slices", "limit"}
        asked[name] = int(number) if is_whole else number
    return Faults(**asked)  # type: ignore[arg-type]  # by the names above


def spoil(server: Server, faults: Faults, *, seed: int, output: TextIO) -> None:
    """Spoil a server's answers until interrupted, saying what passes.

    :raises ChaosError: if it doesn't run here, or somebody spoils it already.
    """
    with _alone(server, output), taken_over(server, seed=seed) as proxy:
        proxy.faults = faults
        _hang_up(server)
        say(output, f"{server.title} is behind the fault proxy: {described(faults)}.")
        say(output, "Ctrl-C puts everything back.")
        # How it ends, by hand or after so many seconds.
        with suppress(KeyboardInterrupt):
            report(proxy, output)
        # Nothing waits for the weather on its way out.
        proxy.faults = Faults()
    say(output, f"{server.title} is reached directly again.")


def report(
    proxy: FaultProxy, output: TextIO, goes_on: Callable[[], bool] = lambda: True
) -> None:
    """Say what passes for as long as it goes on."""
    said_at = time.monotonic()
    while goes_on():
        time.sleep(LOOK_SECONDS)
        if time.monotonic() >= said_at + REPORT_SECONDS:
            said_at = time.monotonic()
            kilobytes = proxy.passed_bytes / 1000
            say(output, f"  {proxy.connections} connections, {kilobytes:.1f} kB passed")


@contextmanager
def taken_over(server: Server, *, seed: int = 0) -> Iterator[FaultProxy]:
    """Put a proxy where the server's socket is, without a moment in which there is none."""
    if not _answers(server.socket):
        raise ChaosError(
            f"{server.title} doesn't run here: start the shop with `make run` first."
        )
    server.behind.parent.mkdir(mode=0o700, exist_ok=True)
    new = server.behind.with_name("new")
    new.unlink(missing_ok=True)
    with running_proxy(server.behind, new, seed=seed) as (proxy, _):
        new.chmod(0o777)
        os.link(server.socket, server.behind)
        new.replace(server.socket)
        try:
            yield proxy
        finally:
            server.behind.replace(server.socket)


def put_back(server: Server) -> bool:
    """Undo what a chaos that was killed has left, and tell whether there was something."""
    if not server.behind.exists():
        return False
    if _answers(server.socket) or not _answers(server.behind):
        # The server was started anew since, and has its own socket again.
        server.behind.unlink()
        return False
    server.behind.replace(server.socket)
    return True


def described(faults: Faults) -> str:
    said = []
    for field in fields(Faults):
        value = getattr(faults, field.name)
        if value is True:
            said.append(field.name)
        elif value is not False and value != field.default:
            said.append(f"{field.name} {value:g}")
    return ", ".join(said) or "no faults"


@contextmanager
def _alone(server: Server, output: TextIO) -> Iterator[None]:
    folder = command_line.var_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"chaos-{server.socket.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ChaosError(f"Another chaos has {server.title} already.") from None
        if put_back(server):
            say(output, f"An earlier chaos was killed; {server.title} is put back.")
        yield


def _hang_up(server: Server) -> None:
    with suppress(psycopg.Error, redis.RedisError, OSError):
        server.hang_up(server.behind)


def _end_sessions(behind: Path) -> None:
    port = behind.name.rpartition(".")[2]
    with psycopg.connect(
        host=str(behind.parent), port=port, user=DATABASE, dbname=DATABASE
    ) as own:
        own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _end_clients(behind: Path) -> None:
    with redis.Redis(unix_socket_path=str(behind)) as own:
        own.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def _hang_up_on_callers(behind: Path) -> None:
    """Ask the simulator to: it does so at SIGHUP."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    with socket.socket(socket.AF_UNIX) as own:
        own.connect(str(behind))
        size = struct.calcsize("3i")
        peer = own.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        os.kill(struct.unpack("3i", peer)[0], signal.SIGHUP)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as own:
        try:
            own.connect(str(path))
        except OSError:
            return False
        return True


def say(output: TextIO, text: str) -> None:
    output.write(f"{text}\n")
    output.flush()
