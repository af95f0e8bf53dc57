from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from catalog.constants import MAX_CATEGORY_DEPTH
from catalog.exceptions import (
    CategoryCycleError,
    CategoryTooDeepError,
    UnknownReferenceError,
)
from catalog.models import Category, Product
from catalog.services._cards import lock_products, refresh_cards
from catalog.services._dictionary import create_entry
from catalog.services._integrity import change_row, delete_row, find

# UNION, not UNION ALL, so that even a cycle would come to an end.
ABOVE = """
WITH RECURSIVE above(id, parent_id) AS (
  SELECT id, parent_id FROM catalog_category WHERE id = %s
  UNION
  SELECT c.id, c.parent_id FROM catalog_category c JOIN above ON c.id = above.parent_id
)
SELECT id FROM above
"""
BELOW = """
WITH RECURSIVE below(id, depth) AS (
  SELECT id, 1 FROM catalog_category WHERE id = %s
  UNION
  SELECT c.id, below.depth + 1
  FROM catalog_category c JOIN below ON c.parent_id = below.id
  WHERE below.depth <= %s
)
SELECT id, depth FROM below
"""


@transaction.atomic
def create_category(*, fields: Mapping[str, Any], actor_id: UUID | None) -> Category:
    """Add a category, at the root or below its parent.

    :raises CategoryTooDeepError: where the tree would be deeper than it may.
    """
    if fields.get("parent_id"):
        _lock_tree()
        _check_parent(None, fields["parent_id"])
    return create_entry(Category, fields=fields, actor_id=actor_id)


@transaction.atomic
def change_category(
    pk: UUID, *, version: int, changes: Mapping[str, Any], actor_id: UUID | None
) -> Category:
    """Change or move a category; its branch's products are filed anew.

    :raises CategoryCycleError: where it would stand below itself.
    :raises CategoryTooDeepError: where the branch would reach too far down.
    """
    if "parent_id" in changes:
        _lock_tree()
    category = find(Category.objects.all(), pk=pk)
    products = _products_below(pk)
    lock_products(products)
    if changes.get("parent_id"):
        _check_parent(pk, changes["parent_id"])
    change_row(category, version=version, changes=changes, actor_id=actor_id)
    refresh_cards(product_ids=products)
    category.refresh_from_db()
    return category


@transaction.atomic
def delete_category(pk: UUID, *, version: int, actor_id: UUID | None) -> None:
    """Remove a category without children; its products stay, filed elsewhere or nowhere.

    :raises InUseError: while it has children.
    """
    category = find(Category.objects.all(), pk=pk)
    products = _products_below(pk)
    lock_products(products)
    delete_row(category, version=version, actor_id=actor_id)
    refresh_cards(product_ids=products)


def _lock_tree() -> None:
    """Let one move happen at a time: two that are right each could make a cycle."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE catalog_category IN SHARE ROW EXCLUSIVE MODE")


def _check_parent(pk: UUID | None, parent_id: UUID) -> None:
    above = [row[0] for row in _rows(ABOVE, [parent_id])]
    if not above:
        raise UnknownReferenceError(["#/parent_id"])
    if pk in above:
        raise CategoryCycleError
    height = 1
    if pk is not None:
        height = max(depth for _, depth in _rows(BELOW, [pk, MAX_CATEGORY_DEPTH]))
    if len(above) + height > MAX_CATEGORY_DEPTH:
        raise CategoryTooDeepError(MAX_CATEGORY_DEPTH)


def _products_below(pk: UUID) -> list[UUID]:
    branch = [row[0] for row in _rows(BELOW, [pk, MAX_CATEGORY_DEPTH])]
    products = Product.objects.filter(categories__in=branch)
    return list(products.values_list("pk", flat=True).distinct())


def _rows(statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
