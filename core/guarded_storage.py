"""Files behind a circuit breaker: a disk or bucket that is out costs nobody its timeout."""

from collections.abc import Callable, Mapping
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.files.storage import Storage
from django.utils.module_loading import import_string

from core.exceptions import CircuitOpenError, ServiceUnavailableError
from core.protection.breaker import get_breaker, is_failure

if TYPE_CHECKING:
    # Generic for the type checker only.
    from django.core.files.base import File

Result = TypeVar("Result")
# The storage has answered; it is the file that isn't as wished.
_ANSWERS = (FileNotFoundError, FileExistsError, IsADirectoryError, ValueError)


def is_storage_failure(error: BaseException) -> bool | None:
    return False if isinstance(error, _ANSWERS) else is_failure(error)


class GuardedStorage(Storage):
    """Any other storage, which ``backend`` names and ``options`` make.

    :raises ServiceUnavailableError: where the storage fails,
    :raises CircuitOpenError: where it failed so often that it isn't asked.
    """

    def __init__(
        self, *, name: str, backend: str, options: Mapping[str, Any] | None = None
    ) -> None:
        self._breaker_name = f"storage.{name}"
        self._inner: Storage = import_string(backend)(**(options or {}))

    def _ask(self, question: Callable[..., Result], *given: Any) -> Result:
        breaker = get_breaker(self._breaker_name, judge=is_storage_failure)
        try:
            with breaker.calling():
                return question(*given)
        except (CircuitOpenError, *_ANSWERS):
            raise
        except OSError as error:
            raise ServiceUnavailableError(
                "Files can't be read or written right now.", retry_after=5
            ) from error

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        return self._ask(self._inner.open, name, mode)

    def _save(self, name: str, content: "File[Any]") -> str:
        return self._ask(self._inner.save, name, content)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return self._ask(self._inner.get_available_name, name, max_length)

    def delete(self, name: str) -> None:
        self._ask(self._inner.delete, name)

    def exists(self, name: str) -> bool:
        return self._ask(self._inner.exists, name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        return self._ask(self._inner.listdir, path)

    def size(self, name: str) -> int:
        return self._ask(self._inner.size, name)

    def get_modified_time(self, name: str) -> datetime:
        return self._ask(self._inner.get_modified_time, name)

    # Names and addresses are made without asking anybody.

    def get_valid_name(self, name: str) -> str:
        return self._inner.get_valid_name(name)

    def generate_filename(self, filename: str | PathLike[str]) -> str:
        return self._inner.generate_filename(filename)

    def path(self, name: str) -> str:
        return self._inner.path(name)

    def url(self, name: str | None) -> str:
        return self._inner.url(name)
