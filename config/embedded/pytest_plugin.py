"""Give a test run servers of its own, before pytest-django reads the settings.

The controller of a parallel run (or the only process) starts them and exports DATABASE_URL and REDIS_URL, which
its workers inherit. Variables that are set already win, and then nothing is started for them.
"""

import atexit
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest

from config.embedded.errors import EmbeddedError
from config.embedded.servers import EmbeddedServers

VAR = Path(__file__).resolve().parents[2] / "var"
PREFIX = "test-"
SETTLED_SECONDS = 60
WORKER = "PYTEST_XDIST_WORKER"

_servers: list[EmbeddedServers] = []


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    options = early_config.known_args_namespace
    if options.help or options.version:
        return
    if WORKER not in os.environ:
        _start()
    elif os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = redis_url_of_worker(
            os.environ["REDIS_URL"], os.environ[WORKER]
        )


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _stop()


def redis_url_of_worker(url: str, worker: str) -> str:
    """Give each parallel worker a numbered database of its own: gw0 the first after that of ``url``."""
    number = int(worker.removeprefix("gw")) + 1
    parts = urlsplit(url)
    if parts.scheme == "unix":
        query = dict(parse_qsl(parts.query))
        query["db"] = str(int(query.get("db", 0)) + number)
        # urlunsplit would drop the empty host's slashes.
        return f"unix://{parts.path}?{urlencode(query)}"
    given = parts.path.strip("/")
    return urlunsplit(parts._replace(path=f"/{int(given or 0) + number}"))


def _start() -> None:
    postgres, valkey = (
        not os.environ.get("DATABASE_URL"),
        not os.environ.get("REDIS_URL"),
    )
    if not (postgres or valkey):
        return
    VAR.mkdir(exist_ok=True)
    _remove_left_over()
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=VAR)
    # The account that PostgreSQL runs as under root must be able to pass through.
    Path(folder).chmod(0o755)
    servers = EmbeddedServers(
        folder, durable=False, with_postgres=postgres, with_valkey=valkey
    )
    _servers.append(servers)
    atexit.register(_stop)
    try:
        servers.start()
    except EmbeddedError as error:
        raise pytest.UsageError(str(error)) from error
    if postgres:
        os.environ["DATABASE_URL"] = servers.database_url
    if valkey:
        os.environ["REDIS_URL"] = servers.redis_url


def _stop() -> None:
    while _servers:
        servers = _servers.pop()
        servers.destroy()
        shutil.rmtree(servers.var_dir, ignore_errors=True)


def _remove_left_over() -> None:
    """Clear away what killed runs left behind; a run still going holds its lock."""
    for folder in VAR.glob(f"{PREFIX}*"):
        # A run that begins at this very moment has not locked its folder yet.
        is_settled = time.time() - folder.stat().st_mtime > SETTLED_SECONDS
        # What belongs to another user is that user's to clear away.
        with suppress(EmbeddedError):
            if is_settled and EmbeddedServers(folder).destroy():
                shutil.rmtree(folder, ignore_errors=True)
