import select
import time
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel, errors
from psycopg_pool import ConnectionPool, PoolTimeout

from core.postgresql.connection import TimedConnection
from core.protection import deadlines

POOL_SECONDS = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, but for the class of its connections and the wait for one."""

    @property
    def pool(self) -> Any:
        options = self.settings_dict["OPTIONS"].get("pool")
        if options:
            options.setdefault("connection_class", TimedConnection)
        return super().pool

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self.isolation_level = IsolationLevel.READ_COMMITTED
        pool = self.pool
        try:
            if not pool:
                return TimedConnection.connect(**conn_params)
            return _connection_of(pool)
        except errors.OperationalError as error:
            if deadlines.remaining() == 0:
                raise errors.QueryCanceled("No connection came in time.") from error
            raise


def _connection_of(pool: ConnectionPool[Any]) -> Any:
    pool.open()
    connection = _wait_for(pool)
    while _is_severed(connection):
        connection.close()
        pool.putconn(connection)
        connection = _wait_for(pool)
    return connection


def _wait_for(pool: ConnectionPool[Any]) -> Any:
    """Wait for a free connection; not longer than connecting may take if that fails."""
    patience, begun = _patience(), time.monotonic()
    try:
        return pool.getconn(min(patience, deadlines.CONNECT_SECONDS))
    except PoolTimeout:
        left = patience - deadlines.CONNECT_SECONDS
        if left <= 0 or TimedConnection.failed_at >= begun:
            raise
    return pool.getconn(left)


def _patience() -> float:
    left = deadlines.remaining()
    return POOL_SECONDS if left is None else min(POOL_SECONDS, left)


def _is_severed(connection: Any) -> bool:
    """Tell whether the server has hung up meanwhile: an idle one has nothing to say.

    Asks the kernel only; a question to the server would cost each request a round trip.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
