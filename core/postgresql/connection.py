"""A connection that gives up when the deadline says so, and tells the server to as well.

Every wait for PostgreSQL passes through ``wait``: statements, COMMIT, COPY, the rows of a
server-side cursor. So nothing has to be sent beforehand: a statement in time costs no
round trip more, one past its time is canceled through a request of its own, and a server
that doesn't even answer that is hung up on. Connecting has a second: ``connect_timeout``
can't say less than two.
"""

import time
from typing import Any, NoReturn, Self

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen, PQGenConn
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from core.postgresql.outage import outage
from core.protection import deadlines
from core.protection.counters import counters

# How long the server has to accept that a statement is canceled, and then to end it.
CANCEL_SECONDS = 1.0
# Psycopg looks at a connection that says nothing ten times a second, and whoever waits
# for the pool to connect must still learn of it within the second.
ATTEMPT_SECONDS = deadlines.CONNECT_SECONDS - 0.2
# What psycopg calls the steps that end a transaction or a cursor, or send nothing.
_ENDINGS = {"_commit_gen", "_rollback_gen", "_close_gen", "_set_autocommit_gen"}


class TimedConnection(psycopg.Connection[Any]):
    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        """Connect, and learn whether the server is out."""
        seconds = _attempt_seconds()
        with outage.attempt():
            try:
                connection = yield from cls._steps(conninfo, seconds)
            except (errors.Error, GeneratorExit):
                # A caller in a hurry learns nothing about the server.
                if seconds == ATTEMPT_SECONDS:
                    outage.go_on()
                raise
        outage.end()
        return connection

    @classmethod
    def _steps(cls, conninfo: str, seconds: float) -> PQGenConn[Self]:
        """Give up on a server, or on each of several, that has nothing to say in time."""
        end = time.monotonic() + seconds
        steps = super()._connect_gen(conninfo)
        try:
            awaited = next(steps)
            while True:
                ready = yield awaited
                # What has come meanwhile is taken, though this process was too busy to look.
                if not ready and time.monotonic() >= end:
                    raise errors.ConnectionTimeout(
                        "The server took no connection in time."
                    )
                awaited = steps.send(ready)
        except StopIteration as connected:
            connection: Self = connected.value
            return connection

    def wait(
        self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        answer = self._wait(gen, interval, timeout)
        # What sends nothing succeeds without a server as well.
        if outage.is_on and not _is_ending(gen):
            outage.end()
        return answer

    def _wait(self, gen: PQGen[RV], interval: float, timeout: float | None) -> RV:
        left = deadlines.statement_seconds()
        if left is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        if left <= 0 or _is_ending(gen):
            return self._begin_late(gen, interval, left)
        try:
            return super().wait(gen, interval, left)
        except errors._WaitTimeout:  # noqa: SLF001 -- what wait() is documented to raise
            return self._cancel(gen, interval)

    def _begin_late(self, gen: PQGen[RV], interval: float, left: float) -> RV:
        """Let what ends something pass: canceled, a COMMIT's outcome would be open."""
        is_under_way = self.pgconn.transaction_status == TransactionStatus.ACTIVE
        if not (is_under_way or _is_ending(gen)):
            counters.add("statement|refused")
            raise errors.QueryCanceled("The time of this work is up.")
        try:
            return super().wait(gen, interval, max(left, 0) + CANCEL_SECONDS)
        except errors._WaitTimeout:  # noqa: SLF001 -- what wait() is documented to raise
            self._hang_up()

    def _cancel(self, gen: PQGen[RV], interval: float) -> RV:
        """Have the server end the statement, which may just have finished, too."""
        try:
            self.cancel_safe(timeout=CANCEL_SECONDS)
            return super().wait(gen, interval, CANCEL_SECONDS)
        except errors.QueryCanceled:
            counters.add("statement|canceled")
            raise
        except errors.OperationalError as error:
            # It took no order to cancel, or didn't follow it.
            if not isinstance(error, errors.CancellationTimeout | errors._WaitTimeout):  # noqa: SLF001 -- what wait() is documented to raise
                raise
            self._hang_up()

    def _hang_up(self) -> NoReturn:
        counters.add("statement|cut off")
        outage.go_on()
        self.close()
        # Else each of the others in the pool would find a caller who learns it anew.
        pool = getattr(self, "_pool", None)
        if isinstance(pool, ConnectionPool):
            pool.drain()
        raise errors.QueryCanceled("The server didn't answer in time.")


def _attempt_seconds() -> float:
    left = deadlines.remaining()
    return ATTEMPT_SECONDS if left is None else min(ATTEMPT_SECONDS, left)


def _is_ending(gen: PQGen[Any]) -> bool:
    return getattr(gen, "__name__", "") in _ENDINGS
