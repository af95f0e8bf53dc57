"""The shop as production runs it, with databases and provider, for the time of a block."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import shop
from config import processes

ROOT = shop.ROOT
Catalogue = dict[str, list[str]]
# The stage is that of the benchmarks of requests.
# ruff: noqa: SLF001 -- see above


@contextmanager
def stage(var: Path) -> Iterator[tuple[dict[str, str], Catalogue]]:
    """Run all but the web processes; yield their environment and what to ask for."""
    environment = shop._production_environment(var) | {
        # Each visitor has an address of his own, and quotas are not what is measured.
        "TRUSTED_PROXY_HOPS": "1",
        "RATE_LIMIT_MODE": "off",
        # Work is what is to be too much.
        "BYTES_CACHE": "off",
    }
    with shop._servers(var) as servers:
        environment["DATABASE_URL"] = servers.database_url
        environment["REDIS_URL"] = servers.redis_url
        shop._manage(environment, "migrate", "--verbosity", "0")
        catalogue = shop._seed(environment)
        with shop._simulator(environment):
            yield environment, catalogue


@contextmanager
def web(environment: dict[str, str], *, mode: str, count: int) -> Iterator[str]:
    """Run the web processes; yield their address."""
    own = {"LOAD_SHEDDING_MODE": mode, "WEB_PROCESSES": str(count)}
    # Also here, where their size is worked out.
    os.environ.update(own)
    port = shop._free_port()
    address = f"http://127.0.0.1:{port}"
    command = processes.web("127.0.0.1", port)
    with subprocess.Popen(command, cwd=ROOT, env=environment | own) as process:
        try:
            shop._wait_for(f"{address}/health/live")
            yield address
        finally:
            process.terminate()
