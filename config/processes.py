"""The processes of the shop and how each is started, on a laptop and in a container alike.

``python -m config.processes web`` becomes the web server. With ``--tethered`` it ends when its parent does.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from config.embedded.command_line import BASE_DIR, var_dir
from config.embedded.places import places
from config.embedded.processes import tether
from config.env import env_int, env_str
from config.sizes import web_sizes

QUEUES = "critical,default,bulk"
SIMULATOR = "orders.payments.simulator"
LONGEST_STATEMENT_MS = "30000"


def web(host: str, port: int) -> list[str]:
    # Requests cancel what they wait for too long; this ends what a dead process left.
    os.environ.setdefault("STATEMENT_TIMEOUT_MS", LONGEST_STATEMENT_MS)
    sizes = web_sizes()
    return [
        *_granian("wsgi", "config.wsgi:application", host, port),
        *("--workers", str(env_int("WEB_PROCESSES", 2, minimum=1))),
        *("--blocking-threads", str(sizes.threads)),
        # Of connections, not of requests: those that are open and idle count as well.
        *("--backpressure", str(sizes.connections)),
        "--no-ws",
    ]


def sockets(host: str, port: int) -> list[str]:
    return [
        *_granian("asginl", "config.asgi:application", host, port),
        *("--workers", str(env_int("SOCKETS_PROCESSES", 1, minimum=1))),
        *("--loop", "uvloop"),
        *("--backpressure", "10000"),
    ]


def worker() -> list[str]:
    return [
        *(_program("celery"), "--quiet", "-A", "config", "worker"),
        *("--queues", QUEUES),
        *("--concurrency", str(env_int("WORKER_PROCESSES", 2, minimum=1))),
        *("--prefetch-multiplier", "1"),
        *("--loglevel", env_str("LOG_LEVEL", "INFO")),
        "--without-gossip",
        "--without-mingle",
    ]


def beat() -> list[str]:
    return [
        *(_program("celery"), "--quiet", "-A", "config", "beat"),
        *("--loglevel", env_str("LOG_LEVEL", "INFO"), "--pidfile="),
    ]


def simulator_socket(var: Path) -> Path:
    return places(var).sockets / "simulator.sock"


def simulator(port: int) -> list[str]:
    ledger = var_dir() / "payment-simulator.jsonl"
    return [
        sys.executable,
        "-m",
        SIMULATOR,
        "--port",
        str(port),
        "--socket",
        str(simulator_socket(var_dir())),
        "--ledger",
        str(ledger),
    ]


def command(name: str, host: str, port: int) -> list[str]:
    match name:
        case "web":
            return web(host, port)
        case "sockets":
            return sockets(host, port)
        case "simulator":
            return simulator(port)
        case "worker":
            return worker()
        case _:
            return beat()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m config.processes", description=__doc__
    )
    parser.add_argument(
        "name", choices=("web", "sockets", "worker", "beat", "simulator")
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--tethered", action="store_true", help="end when the parent does"
    )
    options = parser.parse_args()
    if options.tethered:
        tether(signal.SIGTERM)
        if options.name != "web":
            # On a laptop the pages come first, above all while everything starts.
            os.nice(10)
    os.chdir(BASE_DIR)
    words = command(options.name, options.host, options.port)
    os.execv(words[0], words)  # noqa: S606 -- becomes the server, without a shell


def _granian(interface: str, application: str, host: str, port: int) -> list[str]:
    return [
        *(_program("granian"), "--interface", interface, application),
        *("--host", host, "--port", str(port)),
        # Without it granian waits for ever for a worker that is told to stop while it imports.
        *("--workers-kill-timeout", "3"),
        "--respawn-failed-workers",
        *("--log-level", "error"),
    ]


def _program(name: str) -> str:
    """Find a program of this very environment, whether or not it is activated."""
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    main()
