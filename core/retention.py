"""Delete what has been kept long enough: the settings' table says how long that is."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db.models import QuerySet

from core.protection.counters import counters

BATCH = 1000
# The rest waits for the next run, so that none takes longer than a task may.
MAX_BATCHES = 50

Remover = Callable[[datetime, int], int]
_removers: dict[str, Remover] = {}
_log = structlog.get_logger(__name__)


def remove_by(name: str, remover: Remover) -> None:
    """Name what removes a class of data: given the time and how many at most, how many."""
    if name in _removers:
        raise ValueError(f"{name} has a remover.")
    _removers[name] = remover


def classes() -> set[str]:
    return set(_removers)


def kept_until(name: str, *, now: datetime) -> datetime:
    """Return the instant before which the class's data is too old by now."""
    oldest: datetime = now - settings.RETENTION[name]
    return oldest


def delete_some(rows: QuerySet[Any], limit: int) -> int:
    """Delete so many of the rows, by their keys; return how many of them went."""
    pks = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    rows.model._default_manager.filter(pk__in=pks).delete()  # noqa: SLF001 -- Django documents it
    return len(pks)


def apply(*, now: datetime) -> dict[str, int]:
    """Remove what is too old, each batch in a transaction of its own.

    One class that fails holds up no other; its error is raised at the end.
    """
    removed: dict[str, int] = {}
    failures: list[Exception] = []
    for name, remover in _removers.items():
        try:
            removed[name] = _apply(remover, now)
        except Exception as error:  # noqa: BLE001 -- raised at the end, with the others
            _log.exception("retention_failed", data=name)
            failures.append(error)
    counters.add_many({f"retention|{n}": count for n, count in removed.items()})
    if failures:
        raise ExceptionGroup("Some data was not removed in time.", failures)
    return removed


def _apply(remover: Remover, now: datetime) -> int:
    total = 0
    for _ in range(MAX_BATCHES):
        count = remover(now, BATCH)
        total += count
        if count < BATCH:
            break
    return total
