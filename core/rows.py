"""Rows of models, by statements that are composed once.

The ORM composes each statement anew, at several times the cost of running a simple one.
Where that shows (carts, checkouts), whole rows are read and written here. Values pass
through the models' fields as they do in the ORM.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import orjson
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, models
from django.db.models.base import ModelState
from django.db.models.expressions import DatabaseDefault

from core.prepared import prepared_cursor

M = TypeVar("M", bound=models.Model)

# Their values are in the database what they are in Python. Exactly these classes: a
# field that is made of one of them may do more.
PLAIN_FIELDS = frozenset(
    {
        models.BigIntegerField,
        models.BooleanField,
        models.CharField,
        models.DateTimeField,
        models.EmailField,
        models.ForeignKey,
        models.IntegerField,
        models.PositiveIntegerField,
        models.PositiveSmallIntegerField,
        models.TextField,
        models.UUIDField,
    }
)


@dataclass(frozen=True, slots=True)
class _Shape:
    table: str
    fields: tuple[Any, ...]
    attributes: tuple[str, ...]
    # The places of values that aren't in the database what they are in Python.
    loaders: tuple[tuple[int, Callable[..., Any]], ...]
    # What the database fills in where the instance says nothing.
    defaulted: tuple[Any, ...]


@cache
def _shape(model: type[models.Model]) -> _Shape:
    meta = model._meta  # noqa: SLF001 -- Django documents _meta
    fields = tuple(meta.concrete_fields)
    for field in fields:
        if getattr(field, "auto_now", False) or isinstance(field, models.FileField):
            raise TypeError(f"{field} makes its value when it is saved.")
    return _Shape(
        table=meta.db_table,
        fields=fields,
        attributes=tuple(field.attname for field in fields),
        loaders=tuple(
            (place, field.from_db_value)
            for place, field in enumerate(fields)
            if hasattr(field, "from_db_value")
        ),
        defaulted=tuple(field for field in fields if field.has_db_default()),
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
    instance = model.__new__(model)
    # As the model's own __init__ would leave it, at a fifth of the cost.
    members = vars(instance)
    members["_state"] = state = ModelState()
    state.adding, state.db = False, DEFAULT_DB_ALIAS
    members.update(zip(shape.attributes, values, strict=True))
    for place, loader in shape.loaders:
        name = shape.attributes[place]
        members[name] = loader(members[name], None, connection)
    return instance


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
    filled = _filled(instance)
    with prepared_cursor() as cursor:
        cursor.execute(
            _insertion(type(instance), filled, conflict),
            [
                _value(field, instance)
                for field in _shape(type(instance)).fields
                if field not in filled
            ],
        )
        if cursor.rowcount == 0:
            return False
        if filled:
            for field, value in zip(filled, cursor.fetchone(), strict=True):
                setattr(instance, field.attname, value)
    _mark_stored(instance)
    return True


def insert_all(instances: Sequence[models.Model], *, conflict: str = "") -> None:
    """Write any number of rows by one statement, which ``conflict`` may end.

    Their values must be ones that JSON can hold.
    """
    if not instances:
        return
    filled = tuple(field.attname for field in _filled(instances[0]))
    with prepared_cursor() as cursor:
        cursor.execute(
            f"{insertion(type(instances[0]), '%(rows)s', filled)} {conflict}",
            {"rows": as_json(instances, filled)},
        )
    for instance in instances:
        _mark_stored(instance)


@cache
def insertion(
    model: type[models.Model], rows: str, without: tuple[str, ...] = ()
) -> str:
    """Compose the INSERT of rows that come as JSON, to be made a part of a statement."""
    shape = _shape(model)
    names = _listed(field for field in shape.fields if field.attname not in without)
    return (
        f"INSERT INTO {shape.table} ({names}) SELECT {names}"  # noqa: S608 -- no values in it
        f" FROM jsonb_populate_recordset(NULL::{shape.table}, {rows}::jsonb)"
    )


def as_json(instances: Sequence[models.Model], without: Collection[str] = ()) -> str:
    """Write the rows as JSON for an ``insertion``."""
    if not instances:
        return "[]"
    fields = [
        field
        for field in _shape(type(instances[0])).fields
        if field.attname not in without
    ]
    plain = [(f.column, f.attname) for f in fields if type(f) in PLAIN_FIELDS]
    others = [field for field in fields if type(field) not in PLAIN_FIELDS]
    rows = []
    for instance in instances:
        row = {column: getattr(instance, name) for column, name in plain}
        row |= {field.column: _saved(field, instance) for field in others}
        rows.append(row)
    return orjson.dumps(rows).decode()


def update(instance: models.Model, *names: str) -> None:
    """Write these fields of the row. It must be there, as it is when it is locked."""
    fields, statement = _change(type(instance), names)
    values = [_value(field, instance) for field in fields]
    with prepared_cursor() as cursor:
        cursor.execute(statement, [*values, instance.pk])
        if cursor.rowcount != 1:
            raise DatabaseError(f"{instance!r} is not there to be updated.")


def _value(field: Any, instance: models.Model) -> Any:
    if type(field) in PLAIN_FIELDS:
        return getattr(instance, field.attname)
    return field.get_db_prep_save(_saved(field, instance), connection)


def _saved(field: Any, instance: models.Model) -> Any:
    """Return what the field wants written: what rests encrypted is sealed for its row."""
    return field.pre_save(instance, instance._state.adding)  # noqa: SLF001 -- as save() calls it


def _filled(instance: models.Model) -> tuple[Any, ...]:
    return tuple(
        field
        for field in _shape(type(instance)).defaulted
        if isinstance(getattr(instance, field.attname), DatabaseDefault)
    )


def _mark_stored(instance: models.Model) -> None:
    state = instance._state  # noqa: SLF001 -- as save() leaves it
    state.adding, state.db = False, DEFAULT_DB_ALIAS


@cache
def _insertion(
    model: type[models.Model], filled: tuple[Any, ...], conflict: str
) -> str:
    shape = _shape(model)
    given = [field for field in shape.fields if field not in filled]
    returning = f"RETURNING {_listed(filled)}" if filled else ""
    return (
        f"INSERT INTO {shape.table} ({_listed(given)})"  # noqa: S608 -- no values in it
        f" VALUES ({', '.join(['%s'] * len(given))}) {conflict} {returning}"
    )


@cache
def _change(model: type[models.Model], names: tuple[str, ...]) -> tuple[list[Any], str]:
    meta = model._meta  # noqa: SLF001 -- Django documents _meta
    fields: list[Any] = [meta.get_field(name) for name in names]
    assigned = ", ".join(f'"{field.column}" = %s' for field in fields)
    return fields, (
        f"UPDATE {meta.db_table} SET {assigned} WHERE {meta.pk.column} = %s"  # noqa: S608 -- no values in it
    )


def _listed(fields: Iterable[Any]) -> str:
    return ", ".join(f'"{field.column}"' for field in fields)
