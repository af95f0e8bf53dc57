from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from catalog.models import Category, Collection, CollectionProduct, Product, Vendor
from catalog.services._attributes import state_attributes
from catalog.services._cards import lock_products, refresh_cards
from catalog.services._html import clean_html
from catalog.services._images import insert_image
from catalog.services._integrity import (
    change_row,
    delete_row,
    find,
    note,
    refusing,
    require_known,
)
from catalog.services._slugs import free_slug
from catalog.services._variants import insert_variant, replace_options

COLUMNS = {
    "title",
    "slug",
    "description_html",
    "vendor_id",
    "product_type",
    "tags",
    "seo_title",
    "seo_description",
}


@transaction.atomic
def create_product(*, fields: Mapping[str, Any], actor_id: UUID | None) -> Product:
    """Make a draft with everything that hangs on it, or nothing.

    :raises SlugTakenError: and what else its variants and pictures are refused for.
    """
    columns = _columns(fields)
    if not columns.get("slug"):
        columns["slug"] = free_slug(Product, columns["title"])
    with refusing():
        product = Product.objects.create(**columns)
    _relate(product.pk, fields)
    for image in fields.get("images", ()):
        insert_image(product.pk, image)
    for variant in fields.get("variants", ()):
        insert_variant(product.pk, variant)
    note(product, "created", after=columns, actor_id=actor_id)
    return product


@transaction.atomic
def change_product(
    pk: UUID, *, version: int, changes: Mapping[str, Any], actor_id: UUID | None
) -> None:
    """Change what the product itself says; lists that are given replace the old ones.

    :raises StaleVersionError: where somebody else changed it.
    """
    lock_products([pk])
    product = find(Product.objects.all(), pk=pk)
    change_row(product, version=version, changes=_columns(changes), actor_id=actor_id)
    _relate(pk, changes)
    refresh_cards(product_ids=[pk])


@transaction.atomic
def delete_product(pk: UUID, *, version: int, actor_id: UUID | None) -> None:
    """Remove a product and all of its own.

    :raises InUseError: where stock or an order refers to a variant.
    """
    lock_products([pk])
    delete_row(find(Product.objects.all(), pk=pk), version=version, actor_id=actor_id)


def _columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: value for name, value in fields.items() if name in COLUMNS}
    if "description_html" in columns:
        columns["description_html"] = clean_html(columns["description_html"])
    if "tags" in columns:
        columns["tags"] = list(dict.fromkeys(columns["tags"]))
    if columns.get("vendor_id"):
        require_known(
            Vendor.objects.all(), [columns["vendor_id"]], pointer="#/vendor_id"
        )
    return columns


def _relate(pk: UUID, fields: Mapping[str, Any]) -> None:
    if "options" in fields:
        replace_options(pk, fields["options"])
    if "category_ids" in fields:
        ids = fields["category_ids"]
        require_known(Category.objects.all(), ids, pointer="#/category_ids")
        Product(pk=pk).categories.set(ids)
    if "collection_ids" in fields:
        _collect(pk, fields["collection_ids"])
    if "attributes" in fields:
        state_attributes(pk, fields["attributes"])


def _collect(pk: UUID, collection_ids: list[UUID]) -> None:
    require_known(Collection.objects.all(), collection_ids, pointer="#/collection_ids")
    rows = CollectionProduct.objects.filter(product_id=pk)
    rows.exclude(collection_id__in=collection_ids).delete()
    CollectionProduct.objects.bulk_create(
        (
            CollectionProduct(product_id=pk, collection_id=collection_id)
            for collection_id in dict.fromkeys(collection_ids)
        ),
        ignore_conflicts=True,
    )
