"""The gate of this process, and what a request is to it.

Each process has its own gate and asks no other: what they share, the cores and the
database, shows in how long requests take.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http import HTTPStatus
from random import uniform
from typing import Any
from zlib import crc32

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.exceptions import TemporaryReducedCapacityError
from core.protection.addresses import client_in, client_of
from core.protection.admission import Admission, Waiter
from core.protection.concurrency import AdaptiveLimit
from core.protection.gate import ThreadGate
from core.protection.load_signs import LoadSigns, database_pool
from core.protection.marks import ANNOUNCED, FROM_CACHE, PRIORITY
from core.protection.principals import principal_of, visitor
from core.protection.priorities import Priorities, Priority
from core.response_headers import add_headers

STAFF_ROLE = "staff"
# As an int: to look a member up in an enum takes longer than to compare.
BAD_REQUEST = HTTPStatus.BAD_REQUEST.value
# Who was unlucky is not so for ever.
COHORT_SECONDS = 3600
LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS, RETRY_JITTER_SECONDS = 2.0, 10.0, 3.0

# Whose request it is; the middleware sets it.
inside: ContextVar[Waiter | None] = ContextVar("inside", default=None)


@cache
def gate() -> ThreadGate:
    """Return this process's gate, made when its first request comes."""
    sizes = settings.WEB_SIZES
    admission = Admission(
        AdaptiveLimit(cap=min(sizes.at_once, settings.DATABASE_POOL_SIZE)),
        outside_load=LoadSigns(pool=database_pool()).load,
        places=sizes.places,
    )
    return ThreadGate(admission, most_aside=sizes.aside)


def gate_in_use() -> ThreadGate | None:
    """Return the gate of a process that has one: a worker has none, nor a fresh one."""
    return gate() if gate.cache_info().currsize else None


@cache
def priorities() -> Priorities:
    table, otherwise = settings.ROUTE_PRIORITIES, settings.ROUTE_PRIORITY_OTHERWISE
    return Priorities(table, otherwise=otherwise)


def enter(request: HttpRequest, *, only_looks: bool, seconds: float | None) -> Waiter:
    """Let the request in, after a wait if need be, or return why not."""
    entrance = gate()
    entrance.only_looks = only_looks
    priority = priorities().find(request.method or "", request.path_info)
    level, rank = priority.level, float(priority.level)
    if not entrance.is_easy(level + priority.width):
        # Only now is it worth asking who comes.
        level, rank = ranked(priority, request)
    request.META[PRIORITY] = level
    # From here on the gate counts it; until here whatever fails is the door's to count out.
    is_announced = request.META.pop(ANNOUNCED, False)
    return entrance.enter(
        priority=level, rank=rank, seconds=seconds, is_announced=is_announced
    )


def leave(waiter: Waiter, request: HttpRequest, response: HttpResponseBase) -> None:
    """Count the request out and say on the response where its time went."""
    gate().leave(waiter, route=route_to_learn_from(request, response))
    queue = 1000 * (waiter.admitted_at - waiter.arrived_at)
    app = 1000 * (waiter.left_at - waiter.admitted_at)
    timing = f"queue;dur={queue:.1f}, app;dur={app:.1f}"
    add_headers(response, {"Server-Timing": timing})


def abandon(waiter: Waiter) -> None:
    """Count out a request that ended in no response."""
    gate().leave(waiter, route=None)


@contextmanager
def stepping_aside() -> Iterator[None]:
    """Give the request's place to the next while the block waits for another's server.

    Outside a request, and where many have stepped aside already, it changes nothing.
    """
    waiter = inside.get()
    if waiter is None:
        yield
        return
    with gate().stepping_aside(waiter):
        yield


def route_to_learn_from(request: HttpRequest, response: HttpResponseBase) -> str | None:
    """Name the route whose baseline the request's time belongs to, if to any.

    A refusal takes less than the work would, and a failure may take anything.
    """
    match = request.resolver_match
    if match is None or response.status_code >= BAD_REQUEST:
        return None
    kind = " cached" if FROM_CACHE in request.META else ""
    return f"{request.method} {match.route}{kind}"


def ranked(priority: Priority, request: HttpRequest) -> tuple[int, float]:
    """Return the caller's level, and with his place within it the rank."""
    principal = principal_of(request, client_of(request))
    level, width = priority.level, priority.width
    staff = settings.STAFF_PRIORITY
    if principal.role == STAFF_ROLE and staff.level < level <= settings.STAFF_UP_TO:
        level, width = staff.level, staff.width
    return level, level + width * place(principal.name)


def rank_of_visitor(priority: Priority, meta: dict[str, Any]) -> float:
    """Return the rank of somebody who shows no proof of who he is."""
    return priority.level + priority.width * place(visitor(client_in(meta)).name)


def place(caller: str) -> float:
    """Return where in his class a caller stands for this hour, from 0 to 1.

    The same on every process, so that a page's calls are let in all or none.
    """
    hour = int(time.time() // COHORT_SECONDS)
    return crc32(f"{caller} {hour}".encode()) / 2**32


def refusal(waiter: Waiter) -> TemporaryReducedCapacityError:
    return TemporaryReducedCapacityError(retry_after=retry_seconds(waiter.rank))


def retry_seconds(rank: float) -> int:
    """Say when to come again: later the less important, and not all at once."""
    most = MOST_RETRY_SECONDS - RETRY_JITTER_SECONDS
    share = min(1.0, rank / 100)
    base = LEAST_RETRY_SECONDS + (most - LEAST_RETRY_SECONDS) * share
    return round(base + uniform(0, RETRY_JITTER_SECONDS))  # noqa: S311 -- jitter, no secret
