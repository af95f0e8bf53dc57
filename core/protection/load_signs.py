"""Signs of load beside our own queue: the database pool and the processor.

Neither says by itself that buyers are to be refused. A full pool with nobody waiting for it is
a pool of the right size, and a busy processor is a used one: these only hold back what is
least important. Somebody who waits for a connection is an overload.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connection

PRESSURE = Path("/proc/pressure/cpu")
# At this load the threshold is at 93.6: only exports are held back, and not all.
MOST_BY_ITSELF = 0.4
_AVERAGE = re.compile(r"some avg10=([0-9.]+)")


def pool_load(stats: dict[str, int]) -> float:
    """Judge what psycopg's pool says of itself."""
    if stats.get("requests_waiting", 0):
        return 1.0
    most = stats.get("pool_max", 0)
    if not most:
        return 0.0
    used = stats.get("pool_size", 0) - stats.get("pool_available", 0)
    return MOST_BY_ITSELF * min(1.0, max(0, used) / most)


def pressure_load(text: str) -> float:
    """Judge the share of time in which somebody waited for a processor, in percent."""
    found = _AVERAGE.match(text)
    return 0.0 if found is None else MOST_BY_ITSELF * min(1.0, float(found[1]) / 100)


class LoadSigns:
    """Looks at each sign a few times a second at most, and remembers it between."""

    POOL_SECONDS, PRESSURE_SECONDS = 0.1, 2.0

    def __init__(
        self,
        *,
        pool: Any = None,
        pressure: Path = PRESSURE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._pressure = pressure
        self._clock = clock
        self._pool_load = 0.0
        self._pressure_load = 0.0
        self._pool_due = self._pressure_due = clock()

    def load(self) -> float:
        now = self._clock()
        if now >= self._pool_due and self._pool is not None:
            self._pool_due = now + self.POOL_SECONDS
            self._pool_load = pool_load(self._pool.get_stats())
        if now >= self._pressure_due:
            self._pressure_due = now + self.PRESSURE_SECONDS
            self._pressure_load = self._read_pressure()
        return max(self._pool_load, self._pressure_load)

    def _read_pressure(self) -> float:
        try:
            return pressure_load(self._pressure.read_text())
        except OSError:
            # Not every kernel tells, and a container may not be told.
            return 0.0


def database_pool() -> Any:
    """Return the pool of this process's connections, if it has one."""
    return getattr(connection, "pool", None)
