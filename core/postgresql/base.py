import select
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel, errors
from psycopg_pool import PoolTimeout

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
        if not pool:
            return TimedConnection.connect(**conn_params)
        pool.open()
        try:
            connection = pool.getconn(_patience())
            while _is_severed(connection):
                connection.close()
                pool.putconn(connection)
                connection = pool.getconn(_patience())
        except PoolTimeout as error:
            if deadlines.remaining() == 0:
                raise errors.QueryCanceled("No connection came in time.") from error
            raise
        return connection


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
