"""How important a request is, by its route: 0 is served to the last, 100 goes first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

ANY_METHOD = ""
REMEMBERED = 1024
_ANY_PART = "{}"
_ANY_REST = "*"


@dataclass(frozen=True, slots=True)
class Priority:
    """A class of requests. Its callers are spread over ``width`` ranks from ``level`` on.

    With 0 the class is shed whole or not at all: what somebody has begun is finished.
    """

    level: int
    width: int = 0


@dataclass(slots=True)
class _Node:
    parts: dict[str, "_Node"] = field(default_factory=dict)
    # By method; those of the path itself, and of everything below it.
    own: dict[str, Priority] = field(default_factory=dict)
    below: dict[str, Priority] = field(default_factory=dict)


class Priorities:
    """Finds a route's priority by ``METHOD /path/{id}``, ``/path`` or ``/path/*``.

    The longest match counts; a named part goes before ``{id}``, and both before ``*``,
    which stands for everything below and for the path itself.
    """

    def __init__(self, table: Mapping[str, Priority], *, otherwise: Priority) -> None:
        self._root = _Node()
        self._otherwise = otherwise
        # Every request asks, and most ask for what others asked for before.
        self.find = lru_cache(maxsize=REMEMBERED)(self._find)
        for text, priority in table.items():
            method, _, path = text.rpartition(" ")
            self._add(method, path, priority)

    def _add(self, method: str, path: str, priority: Priority) -> None:
        parts = _split(path)
        is_open = parts[-1:] == [_ANY_REST]
        node = self._root
        for part in parts[:-1] if is_open else parts:
            name = _ANY_PART if part.startswith("{") else part
            node = node.parts.setdefault(name, _Node())
        (node.below if is_open else node.own)[method] = priority

    def _find(self, method: str, path: str) -> Priority:
        return self.named(method, path) or self._otherwise

    def named(self, method: str, path: str) -> Priority | None:
        """Return what the table says, None where it says nothing."""
        if method == "HEAD":
            method = "GET"
        node = self._root
        found = None
        for part in _split(path):
            found = _of(node.below, method) or found
            child = node.parts.get(part) or node.parts.get(_ANY_PART)
            if child is None:
                return found
            node = child
        return _of(node.own, method) or _of(node.below, method) or found


def _of(priorities: dict[str, Priority], method: str) -> Priority | None:
    if not priorities:
        return None
    return priorities.get(method) or priorities.get(ANY_METHOD)


def _split(path: str) -> list[str]:
    return path.strip("/").split("/")
