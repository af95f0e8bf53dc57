import select
import time
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel, errors
from psycopg_pool import ConnectionPool, PoolTimeout

from core.postgresql.connection import TimedConnection
from core.postgresql.outage import outage
from core.protection import deadlines

POOL_SECONDS = 5.0
# A server that refuses does so at once, and the pool keeps that to itself.
REFUSAL_SECONDS = 0.1


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
    """Wait for a free connection; not longer than connecting may take if that fails.

    While the server is out and nothing is left in the pool, one caller a second waits,
    and only for so long as it takes to be refused: what the pool still tries goes on.
    """
    if outage.is_on and not (outage.may_try() or _may_hope(pool)):
        raise PoolTimeout("The server took no connection a moment ago.")
    patience, begun = _patience(), time.monotonic()
    for bound in (REFUSAL_SECONDS, deadlines.CONNECT_SECONDS):
        try:
            return pool.getconn(begun + min(bound, patience) - time.monotonic())
        except PoolTimeout:
            is_late = bound >= deadlines.CONNECT_SECONDS or not _may_hope(pool)
            if bound >= patience or (outage.is_on and is_late):
                raise
    return pool.getconn(begun + patience - time.monotonic())


def _may_hope(pool: ConnectionPool[Any]) -> bool:
    """Tell whether there may be a connection without a new one.

    An idle one; or one at work, whose server may only have no room for more. If that is
    so, it soon answers somebody, and the outage is over.
    """
    stats = pool.get_stats()
    is_any_at_work = stats["pool_size"] > outage.attempts
    return bool(stats["pool_available"] or (outage.has_just_begun and is_any_at_work))


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
