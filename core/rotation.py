"""Seal anew, with the first key, what older keys have sealed.

What is left to do stands in the rows themselves, so a killed run is resumed by the next.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from psycopg import sql

from core.encryption import (
    BlindIndexField,
    EncryptedBinaryField,
    EncryptedField,
    EncryptionError,
    current_key,
)

BATCH = 200
# A row that others write all the time gets its new key from them.
MAX_PASSES = 5

Model = type[models.Model]


@dataclass
class Rotation:
    """What one run did to one table."""

    table: str
    sealed: int = 0
    # Primary keys of rows that no key opens.
    unreadable: list[str] = field(default_factory=list)
    left: int = 0


def encrypted_models() -> list[Model]:
    return [model for model in apps.get_models() if encrypted_fields(model)]


def encrypted_fields(model: Model) -> list[EncryptedField]:
    fields = model._meta.local_concrete_fields  # noqa: SLF001 -- Django's public API
    return [column for column in fields if isinstance(column, EncryptedField)]


def count_stale(model: Model) -> int:
    with connection.cursor() as cursor:
        query = sql.SQL("SELECT count(*) FROM {table} WHERE {stale}")
        cursor.execute(query.format(**_parts(model)))
        return int(cursor.fetchone()[0])


def rotate(
    model: Model, *, batch: int = BATCH, report: Callable[[int], None] = lambda _: None
) -> Rotation:
    """Seal the table's old rows anew, in short transactions; tell how many after each.

    A row is written only if its text is still the one that was read, and never waited
    for: what others change meanwhile is theirs, and looked at again in the next pass.
    """
    done = Rotation(model._meta.label)  # noqa: SLF001 -- Django's public API
    for _pass in range(MAX_PASSES):
        for rows in _stale_rows(model, batch, skip=done.unreadable):
            done.sealed += _rotate_rows(model, rows, done.unreadable)
            report(done.sealed)
        done.left = count_stale(model)
        if done.left <= len(done.unreadable):
            break
    return done


def _stale_rows(
    model: Model, batch: int, *, skip: Sequence[str]
) -> Iterator[list[tuple[Any, ...]]]:
    query = sql.SQL(
        "SELECT {pk}, {columns} FROM {table} WHERE ({stale})"
        " AND ({pk} > %(after)s OR %(after)s IS NULL) AND {pk}::text <> ALL(%(skip)s)"
        " ORDER BY {pk} LIMIT %(batch)s"
    ).format(**_parts(model))
    after = None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(query, {"after": after, "skip": list(skip), "batch": batch})
            rows = cursor.fetchall()
        if not rows:
            return
        after = rows[-1][0]
        yield rows


def _rotate_rows(
    model: Model, rows: list[tuple[Any, ...]], unreadable: list[str]
) -> int:
    fields = encrypted_fields(model)
    written = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for pk, *texts in rows:
            row = model(pk=pk)
            for column, text in zip(fields, texts, strict=True):
                setattr(row, column.attname, column.from_db_value(text))
            try:
                changes = _sealed_anew(row, fields)
            except EncryptionError:
                unreadable.append(str(pk))
                continue
            cursor.execute(*_update(model, pk, changes, texts))
            written += cursor.rowcount
    return written


def _sealed_anew(row: models.Model, fields: Sequence[EncryptedField]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for column in fields:
        text = getattr(row, column.attname)
        changes[str(column.column)] = column.sealed_for(row, text)
    for index in _indexes(type(row)):
        changes[str(index.column)] = index.index_of(getattr(row, index.of))
    return changes


def _indexes(model: Model) -> list[BlindIndexField]:
    fields = model._meta.local_concrete_fields  # noqa: SLF001 -- Django's public API
    return [index for index in fields if isinstance(index, BlindIndexField)]


def _update(
    model: Model, pk: Any, changes: dict[str, Any], texts: Sequence[str | None]
) -> tuple[sql.Composed, list[Any]]:
    """Write the row unless somebody has changed it since, or is changing it now."""
    parts = _parts(model)
    query = sql.SQL(
        "UPDATE {table} SET {changes} WHERE {pk} = (SELECT {pk} FROM {table}"
        " WHERE {pk} = %s AND ({columns}) IS NOT DISTINCT FROM ({was})"
        " FOR NO KEY UPDATE SKIP LOCKED)"
    ).format(
        changes=sql.SQL(", ").join(
            sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changes
        ),
        was=sql.SQL(", ").join([sql.Placeholder()] * len(texts)),
        **parts,
    )
    return query, [*changes.values(), pk, *texts]


def _parts(model: Model) -> dict[str, sql.Composable]:
    meta = model._meta  # noqa: SLF001 -- Django's public API
    fields = encrypted_fields(model)
    return {
        "table": sql.Identifier(meta.db_table),
        "pk": sql.Identifier(str(meta.pk.column)),
        "columns": sql.SQL(", ").join(sql.Identifier(str(f.column)) for f in fields),
        "stale": sql.SQL(" OR ").join(_is_stale(column) for column in fields),
    }


def _is_stale(field: EncryptedField) -> sql.Composed:
    start = f"{current_key().id}:"
    column = sql.Identifier(str(field.column))
    if isinstance(field, EncryptedBinaryField):
        text = "substring({} FROM 1 FOR {}) <> {}::bytea"
        return sql.SQL(text).format(column, len(start), sql.Literal(start))
    return sql.SQL("NOT starts_with({}, {})").format(column, sql.Literal(start))
