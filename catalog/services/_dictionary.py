"""What products refer to. A change of it shows on the cards of all that do."""

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from catalog.exceptions import AttributeTypeFixedError
from catalog.models import (
    Attribute,
    AttributeValue,
    CatalogModel,
    Category,
    Collection,
    Product,
    Vendor,
)
from catalog.services._cards import lock_products, refresh_cards
from catalog.services._html import clean_html
from catalog.services._integrity import change_row, delete_row, find, note, refusing
from catalog.services._slugs import free_slug

Entry = TypeVar("Entry", bound=CatalogModel)


@transaction.atomic
def create_entry(
    model: type[Entry], *, fields: Mapping[str, Any], actor_id: UUID | None
) -> Entry:
    """Add a vendor, collection, attribute or value.

    :raises SlugTakenError: or CodeTakenError, where it stands already.
    """
    entry = model(**_cleaned(fields))
    # Looked at by itself, since the type variable hides which models have a slug.
    addressed: CatalogModel = entry
    if isinstance(addressed, Vendor | Collection | Category) and not addressed.slug:
        addressed.slug = free_slug(type(addressed), str(addressed))
    with refusing():
        entry.save(force_insert=True)
    note(entry, "created", after=fields, actor_id=actor_id)
    return entry


@transaction.atomic
def change_entry(
    model: type[Entry],
    pk: UUID,
    *,
    version: int,
    changes: Mapping[str, Any],
    actor_id: UUID | None,
) -> Entry:
    """Change what the version shows, and every card that says it.

    :raises StaleVersionError: where somebody else changed it.
    :raises AttributeTypeFixedError: for the type of an attribute that is used.
    """
    entry = find(model._default_manager.all(), pk=pk)  # noqa: SLF001 -- Django documents it
    products = products_of(entry)
    lock_products(products)
    if isinstance(entry, Attribute):
        _check_type_change(entry, changes)
    change_row(entry, version=version, changes=_cleaned(changes), actor_id=actor_id)
    refresh_cards(product_ids=products)
    entry.refresh_from_db()
    return entry


@transaction.atomic
def delete_entry(
    model: type[CatalogModel], pk: UUID, *, version: int, actor_id: UUID | None
) -> None:
    """Remove it, and from the cards that say it.

    :raises InUseError: where products can't be without it.
    """
    entry = find(model._default_manager.all(), pk=pk)  # noqa: SLF001 -- as above
    products = products_of(entry)
    lock_products(products)
    delete_row(entry, version=version, actor_id=actor_id)
    refresh_cards(product_ids=products)


def products_of(entry: CatalogModel) -> list[UUID]:
    """Return the products whose cards speak of the entry."""
    return list(_referring(entry).values_list("pk", flat=True).distinct())


def _referring(entry: CatalogModel) -> QuerySet[Product]:
    products = Product.objects.all()
    match entry:
        case Vendor():
            return products.filter(vendor=entry)
        case Collection():
            return products.filter(collections=entry)
        case Attribute():
            return products.filter(attributes__attribute=entry)
        case AttributeValue():
            return products.filter(attributes__value=entry)
    raise TypeError(f"{type(entry).__name__} is no entry of the dictionary.")


def _cleaned(fields: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = dict(fields)
    if "description_html" in cleaned:
        cleaned["description_html"] = clean_html(cleaned["description_html"])
    return cleaned


def _check_type_change(attribute: Attribute, changes: Mapping[str, Any]) -> None:
    if changes.get("type", attribute.type) == attribute.type:
        return
    if attribute.values.exists() or products_of(attribute):
        raise AttributeTypeFixedError
