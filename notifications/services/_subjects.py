"""What messages are about, told by the packages that know it.

Notifications sits above them only in what it hears, so the composition root hands it a
loader for each kind of subject.
"""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID


class Subject(Protocol):
    """Whatever the templates show; an address is all that the code needs of it."""

    @property
    def email(self) -> str: ...


Loader = Callable[[UUID], Subject | None]
_loaders: dict[str, Loader] = {}


def register_subject(name: str, loader: Loader) -> None:
    _loaders[name] = loader


def load_subject(name: str, subject_id: UUID) -> Subject | None:
    return _loaders[name](subject_id)
