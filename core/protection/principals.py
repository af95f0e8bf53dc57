"""Whose quota a request draws on: the first resolver that knows the caller says so.

``settings.RATE_LIMIT_PRINCIPALS`` names functions that take the request and return a
``Principal``, or None for "nobody I know". They run before every view, so they must not
query the database, and must have checked whatever proof the caller brought.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from core.protection.addresses import Client

ANONYMOUS = "anonymous"


class Principal(NamedTuple):
    kind: str
    id: str
    role: str

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.id}"


Resolver = Callable[[HttpRequest], Principal | None]


@lru_cache(maxsize=8)
def _resolvers(names: tuple[str, ...]) -> tuple[Resolver, ...]:
    return tuple(import_string(name) for name in names)


def principal_of(request: HttpRequest, client: Client) -> Principal:
    for resolve in _resolvers(tuple(settings.RATE_LIMIT_PRINCIPALS)):
        principal = resolve(request)
        if principal is not None:
            return principal
    return visitor(client)


def visitor(client: Client) -> Principal:
    """Return who it is that shows no proof."""
    return _visitor(client.name)


@lru_cache(maxsize=4096)
def _visitor(name: str) -> Principal:
    return Principal("ip", name, ANONYMOUS)
