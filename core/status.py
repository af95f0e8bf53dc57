"""The page for people who wonder whether it is the shop or they.

It says in words which parts work, and names no machine, product or version.
"""

import time
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core import health
from core.heartbeat import PROCESSES, heartbeat_state
from core.protection import traffic
from core.protection.circuit import SHUT

# Whoever asks how the shop is while it is slow must not make it slower.
_FRESH_SECONDS = 5
Parts = list[tuple[str, str]]


class _Memo:
    """What this process said last, for a few seconds."""

    def __init__(self) -> None:
        self._parts: Parts = []
        self._until = 0.0

    def parts(self) -> Parts:
        # Two threads that look at once both look: that costs less than a lock.
        if time.monotonic() >= self._until:
            self._parts = list(_look())
            self._until = time.monotonic() + _FRESH_SECONDS
        return self._parts

    def forget(self) -> None:
        self._until = 0.0


memo = _Memo()


@require_safe
def status_page(request: HttpRequest) -> HttpResponse:
    parts = memo.parts()
    works = all(state == "works" for _, state in parts)
    response = render(request, "status.html", {"parts": parts, "works": works})
    response.headers["Cache-Control"] = f"public, max-age={_FRESH_SECONDS}"
    return response


def _look() -> Iterator[tuple[str, str]]:
    checks = health.run_checks()
    if checks["database"] != health.OK or checks["migrations"] != health.OK:
        # Without it nothing else can be known, nor done.
        yield "Shop", "out"
        return
    yield "Shop", "works" if checks["cache"] == health.OK else "disturbed"
    shut = _dependencies_shut()
    for dependency, label in settings.STATUS_PARTS.items():
        yield label, "disturbed" if dependency in shut else "works"
    is_worked_on = all(heartbeat_state(name) == health.OK for name in PROCESSES)
    yield "Confirmations and exports", "works" if is_worked_on else "disturbed"


def _dependencies_shut() -> set[str]:
    """Return the first part of the name of each breaker that is open somewhere."""
    try:
        rows = traffic.breakers()
    except DatabaseError:
        return set()
    return {
        row["name"].partition(".")[0]
        for row in rows
        if SHUT & {row["control"].state, *row["states"]}
    }
