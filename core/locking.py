"""What a lock that did not come in time means. The time is LOCK_TIMEOUT_MS."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import errors

from core.errors import DomainError, ErrorKind


class BusyError(DomainError):
    code = "busy"
    kind = ErrorKind.UNAVAILABLE
    title = "Busy, try again"
    cause = "Others are changing the same rows, and the wait for them took too long."
    cure = "Send the same request again after the seconds that Retry-After names."


RETRY_AFTER_SECONDS = 1


@contextmanager
def lock_wait() -> Iterator[None]:
    """Turn a lock that did not come in time into BusyError; the transaction is over."""
    try:
        yield
    except OperationalError as error:
        if is_lock_timeout(error):
            raise BusyError(retry_after=RETRY_AFTER_SECONDS) from error
        raise


@contextmanager
def sole_run(name: str) -> Iterator[bool]:
    """Tell whether nobody else is in here under this name, and keep others out.

    The advisory lock belongs to an otherwise idle transaction on a connection of its
    own: the work may commit as often as it likes, PgBouncer doesn't mind, and a process
    that dies lets go at once.
    """
    own = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name]
            )
            (is_ours,) = cursor.fetchone()
        yield bool(is_ours)
    finally:
        _give_back(own)


def _give_back(own: BaseDatabaseWrapper) -> None:
    """End the transaction first: a pool warns of a connection that is still in one."""
    try:
        # One that is lost has let go already.
        with suppress(DatabaseError):
            own.rollback()
    finally:
        own.close()


def is_lock_timeout(error: BaseException) -> bool:
    return isinstance(error.__cause__, errors.LockNotAvailable)
