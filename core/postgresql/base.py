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
        left = deadlines.remaining()
        patience = POOL_SECONDS if left is None else min(POOL_SECONDS, left)
        try:
            return pool.getconn(patience)
        except PoolTimeout as error:
            if deadlines.remaining() == 0:
                raise errors.QueryCanceled("No connection came in time.") from error
            raise
