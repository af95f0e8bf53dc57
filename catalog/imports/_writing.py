"""Write a plan: a fixed number of statements for any number of products."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from catalog.imports._planning import Change
from catalog.imports._state import ImageState, PriceState, ProductState, VariantState
from core.ids import uuid7

Columns = Mapping[str, str]
PRODUCT: Columns = {
    "id": "uuid",
    "slug": "text",
    "title": "text",
    "description_html": "text",
    "vendor_id": "uuid",
    "product_type": "text",
    "status": "text",
    "tags": "varchar[]",
    "seo_title": "text",
    "seo_description": "text",
    "published_at": "timestamptz",
}
OPTION: Columns = {
    "id": "uuid",
    "product_id": "uuid",
    "name": "text",
    "position": "int",
    "values": "varchar[]",
}
IMAGE: Columns = {
    "id": "uuid",
    "product_id": "uuid",
    "url": "text",
    "alt": "text",
    "position": "int",
}
VARIANT: Columns = {
    "id": "uuid",
    "product_id": "uuid",
    "option_values": "varchar[]",
    "sku": "text",
    "external_sku": "text",
    "barcode": "text",
    "position": "int",
    "weight_grams": "int",
    "image_id": "uuid",
}
PRICE: Columns = {
    "id": "uuid",
    "variant_id": "uuid",
    "currency": "text",
    "amount": "bigint",
    "compare_at_amount": "bigint",
}
CATEGORY: Columns = {"product_id": "uuid", "category_id": "uuid"}
# Keys that variants trade among themselves are laid down before they are taken up: the
# unique constraints look at every row at once.
PARK_KEYS = """
UPDATE catalog_variant SET sku = '', option_values = ARRAY[id::text] WHERE id = ANY(%s)
"""
TOUCH_PRODUCTS = """
UPDATE catalog_product SET version = version + 1, updated_at = %s WHERE id = ANY(%s)
"""
DROP_OPTIONS = "DELETE FROM catalog_productoption WHERE product_id = ANY(%s)"

Row = dict[str, Any]


def write_changes(
    changes: Sequence[Change], *, currency: str, now: datetime
) -> list[UUID]:
    """Write what changed, inside the caller's transaction; return the products' ids."""
    changed = [change for change in changes if not change.is_none]
    if not changed:
        return []
    rows = _Rows(changed, currency)
    stamps = {"version": 1, "created_at": now, "updated_at": now}
    _insert("catalog_product", PRODUCT, rows.new_products, stamps)
    _update("catalog_product", PRODUCT, rows.changed_products)
    _execute(TOUCH_PRODUCTS, [now, [c.after.id for c in changed if c.before]])
    _execute(DROP_OPTIONS, [rows.reoptioned])
    _insert("catalog_productoption", OPTION, rows.options, {})
    _insert("catalog_image", IMAGE, rows.new_images, stamps)
    _update("catalog_image", IMAGE, rows.changed_images, now=now)
    _execute(PARK_KEYS, [rows.parked])
    _insert("catalog_variant", VARIANT, rows.new_variants, stamps | {"in_stock": False})
    _update("catalog_variant", VARIANT, rows.changed_variants, now=now)
    _put_prices(rows.prices, stamps)
    _insert("catalog_product_categories", CATEGORY, rows.categories, {})
    return [change.after.id for change in changed]


class _Rows:
    """The changes, table by table."""

    def __init__(self, changes: Iterable[Change], currency: str) -> None:
        self._currency = currency
        self.new_products: list[Row] = []
        self.changed_products: list[Row] = []
        self.reoptioned: list[UUID] = []
        self.options: list[Row] = []
        self.new_images: list[Row] = []
        self.changed_images: list[Row] = []
        self.parked: list[UUID] = []
        self.new_variants: list[Row] = []
        self.changed_variants: list[Row] = []
        self.prices: list[Row] = []
        self.categories: list[Row] = []
        for change in changes:
            before = change.before or _empty(change.after)
            self._add_product(change.before, change.after)
            self._add_options(before, change.after)
            self._add_images(before, change.after)
            self._add_variants(before, change.after)
            self._add_prices(before, change.after)
            self.categories += (
                {"product_id": change.after.id, "category_id": id_}
                for id_ in change.after.category_ids - before.category_ids
            )

    def _add_product(self, before: ProductState | None, after: ProductState) -> None:
        row = {
            name: getattr(after.fields, name)
            for name in PRODUCT
            if name not in {"id", "slug"}
        }
        row |= {"id": after.id, "slug": after.slug}
        if before is None:
            self.new_products.append(row)
        elif before.fields != after.fields:
            self.changed_products.append(row)

    def _add_options(self, before: ProductState, after: ProductState) -> None:
        if before.options == after.options:
            return
        self.reoptioned.append(after.id)
        self.options += (
            {
                "id": uuid7(),
                "product_id": after.id,
                "name": option.name,
                "position": position,
                "values": option.values,
            }
            for position, option in enumerate(after.options)
        )

    def _add_images(self, before: ProductState, after: ProductState) -> None:
        for url, image in after.images.items():
            known = before.images.get(url)
            if known != image:
                rows = self.changed_images if known else self.new_images
                rows.append(_row_of(image, IMAGE, after.id))

    def _add_variants(self, before: ProductState, after: ProductState) -> None:
        for id_, variant in after.variants.items():
            known = before.variants.get(id_)
            if known == variant:
                continue
            rows = self.changed_variants if known else self.new_variants
            rows.append(_row_of(variant, VARIANT, after.id))
            if known and _key_of(known) != _key_of(variant):
                self.parked.append(id_)

    def _add_prices(self, before: ProductState, after: ProductState) -> None:
        self.prices += (
            _price_row(id_, price, self._currency)
            for id_, price in after.prices.items()
            if before.prices.get(id_) != price
        )


def _empty(product: ProductState) -> ProductState:
    return ProductState(product.id, product.slug, product.fields)


def _key_of(variant: VariantState) -> tuple[str, tuple[str, ...]]:
    return variant.sku, variant.option_values


def _row_of(
    state: ImageState | VariantState, columns: Columns, product_id: UUID
) -> Row:
    own = {name: getattr(state, name) for name in columns if name != "product_id"}
    return own | {"product_id": product_id}


def _price_row(variant_id: UUID, price: PriceState, currency: str) -> Row:
    return {
        "id": uuid7(),
        "variant_id": variant_id,
        "currency": currency,
        "amount": price.amount,
        "compare_at_amount": price.compare_at_amount,
    }


def _insert(
    table: str, columns: Columns, rows: Sequence[Row], constants: Mapping[str, Any]
) -> None:
    if not rows:
        return
    names = [*columns, *constants]
    values = [*(f'n."{name}"' for name in columns), *("%s" for _ in constants)]
    _execute(
        f"INSERT INTO {table} ({_listed(names)}) "  # noqa: S608 -- names of this module
        f"SELECT {', '.join(values)} FROM {_recordset(columns)}",
        [*constants.values(), _json(rows)],
    )


def _update(
    table: str, columns: Columns, rows: Sequence[Row], *, now: datetime | None = None
) -> None:
    """Set the columns of each row; with ``now`` also its version and its stamp."""
    if not rows:
        return
    names = [name for name in columns if name not in {"id", "product_id"}]
    sets = [f'"{name}" = n."{name}"' for name in names]
    if now is not None:
        sets += ["version = t.version + 1", "updated_at = %s"]
    old, new = (", ".join(f'{side}."{name}"' for name in names) for side in "tn")
    _execute(
        f"UPDATE {table} t SET {', '.join(sets)} FROM {_recordset(columns)} "  # noqa: S608 -- names of this module
        f"WHERE t.id = n.id AND ({old}) IS DISTINCT FROM ({new})",
        [*([] if now is None else [now]), _json(rows)],
    )


def _put_prices(rows: Sequence[Row], stamps: Mapping[str, Any]) -> None:
    if not rows:
        return
    names = [*PRICE, *stamps]
    values = [*(f'n."{name}"' for name in PRICE), *("%s" for _ in stamps)]
    _execute(
        f"INSERT INTO catalog_price AS t ({_listed(names)}) "  # noqa: S608 -- names of this module
        f"SELECT {', '.join(values)} FROM {_recordset(PRICE)} "
        "ON CONFLICT (variant_id, currency) DO UPDATE SET amount = excluded.amount, "
        "compare_at_amount = excluded.compare_at_amount, version = t.version + 1, "
        "updated_at = excluded.updated_at "
        "WHERE (t.amount, t.compare_at_amount) "
        "IS DISTINCT FROM (excluded.amount, excluded.compare_at_amount)",
        [*stamps.values(), _json(rows)],
    )


def _recordset(columns: Columns) -> str:
    typed = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
    return f"json_to_recordset(%s::json) AS n({typed})"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _json(rows: Sequence[Row]) -> str:
    return orjson.dumps(rows).decode()


def _execute(statement: str, parameters: Sequence[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
