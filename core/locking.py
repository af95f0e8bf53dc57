"""What a lock that did not come in time means. The time is LOCK_TIMEOUT_MS."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError
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


def is_lock_timeout(error: BaseException) -> bool:
    return isinstance(error.__cause__, errors.LockNotAvailable)
