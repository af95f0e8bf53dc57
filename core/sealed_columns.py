"""Move what rests in clear into encrypted columns, and back: for migrations.

The migration before renames the plain columns, lets them be null and adds the encrypted
ones, all nullable; the one after drops the plain ones. This one, in between, must not be
atomic: it commits batch by batch, and what is left to do stands in the rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Q

BATCH = 500

Model = type[models.Model]


def seal_columns(model: Model, columns: Mapping[str, str], *, until_null: str) -> None:
    """Seal each plain column into the encrypted one that it is mapped to.

    A row is done once its ``until_null`` is null, one of the plain columns that has a
    value in every row. So the next run goes on where a killed one was.
    """
    _move(model, columns, Q((f"{until_null}__isnull", False)))


def open_columns(model: Model, columns: Mapping[str, str], *, until_null: str) -> None:
    """Undo it; takes the same arguments."""
    back = {sealed: plain for plain, sealed in columns.items()}
    _move(model, back, Q((f"{until_null}__isnull", True)))


def _move(model: Model, columns: Mapping[str, str], pending: Q) -> None:
    manager = model._default_manager  # noqa: SLF001 -- Django documents it
    left = manager.filter(pending).only(*columns).order_by("pk")
    rows: list[models.Model] = []
    while True:
        after = Q(pk__gt=rows[-1].pk) if rows else Q()
        with transaction.atomic():
            rows = list(left.filter(after).select_for_update()[:BATCH])
            _write(model, rows, columns)
        if not rows:
            return


def _write(
    model: Model, rows: Sequence[models.Model], columns: Mapping[str, str]
) -> None:
    meta = model._meta  # noqa: SLF001 -- Django's public API
    sources: list[Any] = [meta.get_field(name) for name in columns]
    targets: list[Any] = [meta.get_field(name) for name in columns.values()]
    assigned = [f'"{field.column}" = %s' for field in targets]
    assigned += [f'"{field.column}" = NULL' for field in sources]
    values = []
    for row in rows:
        for name, target in columns.items():
            setattr(row, target, getattr(row, name))
        values.append([*(_value(field, row) for field in targets), row.pk])
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {meta.db_table} SET {', '.join(assigned)} WHERE {meta.pk.column} = %s",  # noqa: S608 -- no values in it
            values,
        )


def _value(field: Any, row: models.Model) -> Any:
    return field.get_db_prep_save(field.pre_save(row, add=False), connection)
