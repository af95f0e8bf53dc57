from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError, QuerySet

from catalog.exceptions import (
    CodeTakenError,
    ImageExistsError,
    InUseError,
    PriceExistsError,
    SkuTakenError,
    SlugTakenError,
    UnknownReferenceError,
    VariantExistsError,
)
from core import audit
from core.bytes_cache import bump_generation
from core.conditional import update_versioned
from core.errors import DomainError
from core.exceptions import NotFoundError

M = TypeVar("M", bound=Model)
REFUSALS: Mapping[str, type[DomainError]] = {
    "catalog_product_slug_key": SlugTakenError,
    "catalog_category_slug_key": SlugTakenError,
    "catalog_collection_slug_key": SlugTakenError,
    "catalog_vendor_slug_key": SlugTakenError,
    "catalog_attribute_code_key": CodeTakenError,
    "catalog_attributevalue_unique_code": CodeTakenError,
    "catalog_variant_unique_sku": SkuTakenError,
    "catalog_variant_unique_options": VariantExistsError,
    "catalog_price_one_per_currency": PriceExistsError,
    "catalog_image_unique_url": ImageExistsError,
}


@contextmanager
def refusing() -> Iterator[None]:
    """Say in the catalogue's terms what the database refuses."""
    try:
        with transaction.atomic():
            yield
    except ProtectedError as error:
        raise InUseError from error
    except IntegrityError as error:
        constraint = getattr(error.__cause__, "diag", None)
        name = getattr(constraint, "constraint_name", None) or ""
        if name not in REFUSALS:
            raise
        raise REFUSALS[name] from error


def change_row(
    row: Model, *, version: int, changes: Mapping[str, Any], actor_id: UUID | None
) -> None:
    """Write the changes if the row still has the version, and note who did it."""
    model = type(row)
    with refusing():
        update_versioned(
            model._default_manager.filter(pk=row.pk),  # noqa: SLF001 -- Django documents it
            version=version,
            **changes,
        )
    before = {name: getattr(row, name) for name in changes}
    note(row, "changed", before=before, after=changes, actor_id=actor_id)


def delete_row(row: Model, *, version: int, actor_id: UUID | None) -> None:
    """Delete the row if it still has the version.

    :raises InUseError: where something that must stay refers to it.
    """
    rows: QuerySet[Any] = type(row)._default_manager.filter(pk=row.pk)  # noqa: SLF001 -- as above
    # Raising the version first lets one conditional UPDATE decide who may.
    update_versioned(rows, version=version)
    note(row, "deleted", actor_id=actor_id)
    with refusing():
        rows.delete()


def note(
    row: Model,
    action: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    actor_id: UUID | None,
) -> None:
    """Write down who did what; readers see it from the commit on."""
    bump_generation()
    audit.record(
        row,
        f"{row._meta.model_name}_{action}",  # noqa: SLF001 -- Django documents it
        before=_plain(before or {}),
        after=_plain(after or {}),
        actor_id=actor_id,
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = orjson.loads(orjson.dumps(dict(values), default=str))
    return plain


def find(queryset: "QuerySet[M]", **key: Any) -> M:
    """Return the one row, or raise NotFoundError."""
    row = queryset.filter(**key).first()
    if row is None:
        raise NotFoundError
    return row


def require_known(
    queryset: "QuerySet[Any]", ids: Collection[UUID], *, pointer: str
) -> None:
    """Refuse ids that are none of the rows', each by its place in the list."""
    known = set(queryset.filter(pk__in=ids).values_list("pk", flat=True))
    unknown = [f"{pointer}/{i}" for i, pk in enumerate(ids) if pk not in known]
    if unknown:
        raise UnknownReferenceError(unknown)
