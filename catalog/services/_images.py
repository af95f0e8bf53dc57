from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from catalog.constants import MAX_IMAGES
from catalog.exceptions import TooManyError
from catalog.models import Image, Product
from catalog.services._cards import lock_products, refresh_cards
from catalog.services._integrity import (
    change_row,
    delete_row,
    find,
    note,
    refusing,
)


@transaction.atomic
def add_image(
    product_id: UUID, *, fields: Mapping[str, Any], actor_id: UUID | None
) -> Image:
    """Add a picture by its address, at the end unless told where.

    :raises ImageExistsError: where the product has it.
    """
    lock_products([product_id])
    find(Product.objects.all(), pk=product_id)
    image = insert_image(product_id, fields)
    note(image, "created", after=fields, actor_id=actor_id)
    refresh_cards(product_ids=[product_id])
    return image


def insert_image(product_id: UUID, fields: Mapping[str, Any]) -> Image:
    images = Image.objects.filter(product_id=product_id)
    if images.count() >= MAX_IMAGES:
        raise TooManyError("pictures", MAX_IMAGES)
    columns = {**fields}
    if "position" not in columns:
        last = images.aggregate(last=Max("position"))["last"]
        columns["position"] = 0 if last is None else last + 1
    with refusing():
        return Image.objects.create(product_id=product_id, **columns)


@transaction.atomic
def change_image(
    pk: UUID, *, version: int, changes: Mapping[str, Any], actor_id: UUID | None
) -> Image:
    image = find(Image.objects.all(), pk=pk)
    lock_products([image.product_id])
    change_row(image, version=version, changes=changes, actor_id=actor_id)
    refresh_cards(product_ids=[image.product_id])
    image.refresh_from_db()
    return image


@transaction.atomic
def delete_image(pk: UUID, *, version: int, actor_id: UUID | None) -> None:
    """Remove a picture; variants that showed it show none."""
    image = find(Image.objects.all(), pk=pk)
    lock_products([image.product_id])
    delete_row(image, version=version, actor_id=actor_id)
    refresh_cards(product_ids=[image.product_id])
