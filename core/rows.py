"""Rows of models, by statements that are composed once.

The ORM composes each statement anew, at several times the cost of running a simple one.
Where that shows (carts, checkouts), whole rows are read and written here. Values pass
through the models' fields as they do in the ORM.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import orjson
from django.db import DatabaseError, connection, models
from django.db.models.expressions import DatabaseDefault

from core.prepared import prepared_cursor

M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True, slots=True)
class _Shape:
    table: str
    fields: tuple[Any, ...]
    attributes: tuple[str, ...]
    # The places of values that aren't in the database what they are in Python.
    loaders: tuple[tuple[int, Callable[..., Any]], ...]


@cache
def _shape(model: type[models.Model]) -> _Shape:
    meta = model._meta  # noqa: SLF001 -- Django documents _meta
    fields = tuple(meta.concrete_fields)
    return _Shape(
        table=meta.db_table,
        fields=fields,
        attributes=tuple(field.attname for field in fields),
        loaders=tuple(
            (place, field.from_db_value)
            for place, field in enumerate(fields)
            if hasattr(field, "from_db_value")
        ),
    )


@cache
def columns(model: type[models.Model], alias: str) -> str:
    """List the model's columns for a SELECT, in the order that ``load`` wants."""
    return ", ".join(f'{alias}."{field.column}"' for field in _shape(model).fields)


def width(model: type[models.Model]) -> int:
    return len(_shape(model).fields)


def load(model: type[M], values: Sequence[Any]) -> M:
    """Make the instance that these values of ``columns`` are."""
    shape = _shape(model)
    loaded = list(values)
    for place, loader in shape.loaders:
        loaded[place] = loader(loaded[place], None, connection)
    return model.from_db(connection.alias, shape.attributes, loaded)


def fetch(model: type[M], clauses: str, parameters: Mapping[str, Any]) -> list[M]:
    """Read the rows that ``WHERE`` and whatever follows it pick from the table ``t``."""
    with prepared_cursor() as cursor:
        cursor.execute(
            f"SELECT {columns(model, 't')} FROM {_shape(model).table} t {clauses}",  # noqa: S608 -- no values in it
            parameters,
        )
        return [load(model, row) for row in cursor.fetchall()]


def insert(instance: models.Model, *, conflict: str = "") -> bool:
    """Write a new row, and read what the database fills in itself.

    False when it wasn't written, which only ``conflict`` can bring about.
    """
    shape = _shape(type(instance))
    values = {
        field: field.get_db_prep_save(field.pre_save(instance, add=True), connection)
        for field in shape.fields
        if not isinstance(getattr(instance, field.attname), DatabaseDefault)
    }
    filled = [field for field in shape.fields if field not in values]
    returning = f"RETURNING {_listed(filled)}" if filled else ""
    with prepared_cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {shape.table} ({_listed(values)})"  # noqa: S608 -- no values in it
            f" VALUES ({', '.join(['%s'] * len(values))}) {conflict} {returning}",
            list(values.values()),
        )
        if cursor.rowcount == 0:
            return False
        if filled:
            for field, value in zip(filled, cursor.fetchone(), strict=True):
                setattr(instance, field.attname, value)
    instance._state.adding = False  # noqa: SLF001 -- as save() leaves it
    instance._state.db = connection.alias  # noqa: SLF001
    return True


def insert_all(instances: Sequence[models.Model], *, conflict: str = "") -> None:
    """Write any number of rows by one statement, which ``conflict`` may end.

    Their values must be ones that JSON can hold.
    """
    if not instances:
        return
    shape = _shape(type(instances[0]))
    fields = [
        field
        for field in shape.fields
        if not isinstance(getattr(instances[0], field.attname), DatabaseDefault)
    ]
    names = _listed(fields)
    rows = [
        {field.column: field.pre_save(instance, add=True) for field in fields}
        for instance in instances
    ]
    with prepared_cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {shape.table} ({names}) SELECT {names}"  # noqa: S608 -- no values in it
            f" FROM jsonb_populate_recordset(NULL::{shape.table}, %s::jsonb) {conflict}",
            [orjson.dumps(rows).decode()],
        )
    for instance in instances:
        instance._state.adding = False  # noqa: SLF001 -- as save() leaves it
        instance._state.db = connection.alias  # noqa: SLF001


def update(instance: models.Model, *names: str) -> None:
    """Write these fields of the row. It must be there, as it is when it is locked."""
    meta = instance._meta  # noqa: SLF001 -- Django documents _meta
    fields: list[Any] = [meta.get_field(name) for name in names]
    values = [
        field.get_db_prep_save(field.pre_save(instance, add=False), connection)
        for field in fields
    ]
    assigned = ", ".join(f'"{field.column}" = %s' for field in fields)
    with prepared_cursor() as cursor:
        cursor.execute(
            f"UPDATE {meta.db_table} SET {assigned} WHERE {meta.pk.column} = %s",  # noqa: S608 -- no values in it
            [*values, instance.pk],
        )
        if cursor.rowcount != 1:
            raise DatabaseError(f"{instance!r} is not there to be updated.")


def _listed(fields: Iterable[Any]) -> str:
    return ", ".join(f'"{field.column}"' for field in fields)
