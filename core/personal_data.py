"""What the shop holds on people, table by table, so that it can be shown and erased.

Each package names its tables in ``personal_data.py``; nobody needs to know them all. A
test asks of every model that refers to people whether it is named here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model, QuerySet

from core.encryption import BlindIndexField

CHUNK = 500

Rows = Callable[["Person"], QuerySet[Any]]
Obstacle = Callable[["Person", datetime], bool]
Eraser = Callable[[QuerySet[Any], datetime], object]


@dataclass(frozen=True, slots=True)
class Person:
    """Whom it is about. ``email`` is empty unless it is proved to be theirs."""

    user_id: UUID
    email: str = ""


@dataclass(frozen=True)
class Holding:
    """Rows of one table that tell of a person.

    ``erase`` gets those rows once more, chosen before anything was erased. Columns that
    are ``withheld`` from the export are secrets or the shop's own bookkeeping.
    """

    name: str
    model: type[Model]
    rows: Rows
    erase: Eraser
    withheld: frozenset[str] = field(default_factory=frozenset)


_holdings: dict[str, Holding] = {}
_unrelated: dict[str, str] = {}
_obstacles: dict[str, Obstacle] = {}


def hold(
    name: str,
    model: type[Model],
    *,
    rows: Rows,
    erase: Eraser,
    withheld: tuple[str, ...] = (),
) -> None:
    """Name a table with personal data; ``name`` is its file in the export."""
    if name in _holdings:
        raise ValueError(f"{name} is named twice.")
    _holdings[name] = Holding(name, model, rows, erase, frozenset(withheld))


def tells_nothing(model_label: str, *, because: str) -> None:
    """Say why a model that refers to people needs neither be shown nor erased."""
    _unrelated[model_label] = because


def wait_while(reason: str, obstacle: Obstacle) -> None:
    """Have the erasure of a person wait as long as ``obstacle`` is true of them."""
    _obstacles[reason] = obstacle


def obstacle_to_erasing(person: Person, *, now: datetime) -> str | None:
    """Return why the person can't be erased yet."""
    for reason, stands in _obstacles.items():
        if stands(person, now):
            return reason
    return None


def holdings() -> list[Holding]:
    return list(_holdings.values())


def reasons() -> Mapping[str, str]:
    return _unrelated


# The usual erasers.


def delete(rows: QuerySet[Any], _: datetime) -> None:
    rows.delete()


def blank(**values: Any) -> Eraser:
    """Make an eraser that overwrites columns and leaves the rows."""

    def overwrite(rows: QuerySet[Any], _: datetime) -> None:
        rows.update(**values)

    return overwrite


def keep(because: str) -> Eraser:
    """Make one that erases nothing, for rows that tell of nobody without the others."""

    def leave(rows: QuerySet[Any], _: datetime) -> None:
        """Leave the rows."""

    leave.__doc__ = because
    return leave


# Showing.


def records(holding: Holding, person: Person) -> Iterator[dict[str, Any]]:
    """Yield the rows as JSON can say them, a chunk at a time."""
    pks = list(holding.rows(person).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(pks), CHUNK):
        chunk = holding.model._default_manager.filter(  # noqa: SLF001 -- Django documents it
            pk__in=pks[start : start + CHUNK]
        )
        for row in chunk.order_by("pk"):
            yield _record(row, holding.withheld)


def _record(row: Model, withheld: frozenset[str]) -> dict[str, Any]:
    fields = row._meta.concrete_fields  # noqa: SLF001 -- Django's public API
    shown = (
        column.attname
        for column in fields
        if column.name not in withheld and not isinstance(column, BlindIndexField)
    )
    return {name: getattr(row, name) for name in shown}


# Erasing.


@transaction.atomic
def erase(person: Person, *, now: datetime) -> dict[str, int]:
    """Erase all that is held on the person, or nothing; return how many rows of what.

    What belongs to the person is chosen first, since one eraser may remove what another
    would know it by. The packages above go first: they refer to those below.
    """
    chosen = [
        (holding, list(holding.rows(person).values_list("pk", flat=True)))
        for holding in reversed(_holdings.values())
    ]
    for holding, pks in chosen:
        for start in range(0, len(pks), CHUNK):
            rows = holding.model._default_manager.filter(  # noqa: SLF001 -- Django documents it
                pk__in=pks[start : start + CHUNK]
            )
            holding.erase(rows, now)
    return {holding.name: len(pks) for holding, pks in chosen if pks}
