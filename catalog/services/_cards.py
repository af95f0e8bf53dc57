from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from catalog.models import Product, Variant
from core.bytes_cache import bump_generation
from core.locking import lock_wait

# Composed by PostgreSQL, compact as orjson writes it: row_to_json and to_json leave no
# blanks, json_build_object would.
REFRESH = """
WITH RECURSIVE picked AS (
  SELECT p.*, v.name AS vendor_name, coalesce(v.slug, '') AS vendor_slug
  FROM catalog_product p LEFT JOIN catalog_vendor v ON v.id = p.vendor_id
  WHERE p.id = ANY(%(ids)s) AND p.status = 'active'
),
filed(product_id, category_id) AS (
  SELECT m.product_id, m.category_id
  FROM catalog_product_categories m JOIN picked ON picked.id = m.product_id
  UNION
  SELECT filed.product_id, c.parent_id
  FROM filed JOIN catalog_category c ON c.id = filed.category_id
  WHERE c.parent_id IS NOT NULL
),
category AS (
  SELECT filed.product_id, array_agg(c.slug ORDER BY c.slug) AS slugs,
    string_agg(c.name, ' ') AS names
  FROM filed JOIN catalog_category c ON c.id = filed.category_id
  GROUP BY filed.product_id
),
collection AS (
  SELECT m.product_id, array_agg(c.slug ORDER BY c.slug) AS slugs
  FROM catalog_collectionproduct m
  JOIN picked ON picked.id = m.product_id
  JOIN catalog_collection c ON c.id = m.collection_id
  GROUP BY m.product_id
),
option AS (
  SELECT o.product_id, o.name,
    row_number() OVER (PARTITION BY o.product_id ORDER BY o.position, o.id) AS place
  FROM catalog_productoption o JOIN picked ON picked.id = o.product_id
),
choice AS (
  SELECT option.product_id,
    array_agg(DISTINCT option.name || '=' || v.option_values[option.place]) AS pairs,
    string_agg(DISTINCT v.option_values[option.place], ' ') AS names
  FROM option JOIN catalog_variant v ON v.product_id = option.product_id
  WHERE v.option_values[option.place] <> ''
  GROUP BY option.product_id
),
statement AS (
  SELECT m.product_id, a.is_filterable, a.code,
    coalesce(w.code, nullif(m.text, ''), trim_scale(m.number)::text, m.boolean::text)
      AS value,
    coalesce(w.label, m.text) AS label
  FROM catalog_productattribute m
  JOIN picked ON picked.id = m.product_id
  JOIN catalog_attribute a ON a.id = m.attribute_id
  LEFT JOIN catalog_attributevalue w ON w.id = m.value_id
),
attribute AS (
  SELECT product_id,
    coalesce(
      array_agg(DISTINCT code || '=' || left(value, 255)) FILTER (WHERE is_filterable),
      '{}'
    ) AS pairs,
    string_agg(DISTINCT label, ' ') AS names
  FROM statement WHERE value IS NOT NULL
  GROUP BY product_id
),
variant AS (
  SELECT v.product_id, count(*) AS quantity, bool_or(v.in_stock) AS in_stock,
    (array_agg(v.id ORDER BY v.in_stock DESC, v.position, v.id))[1] AS default_id,
    string_agg(v.sku || ' ' || v.external_sku, ' ') AS skus
  FROM catalog_variant v JOIN picked ON picked.id = v.product_id
  GROUP BY v.product_id
),
offer AS (
  SELECT v.product_id, p.currency, min(p.amount) AS min_amount,
    max(p.amount) AS max_amount, bool_or(v.in_stock) AS in_stock,
    (array_agg(v.id ORDER BY v.in_stock DESC, v.position, v.id))[1] AS default_id,
    (array_agg(
      CASE WHEN p.compare_at_amount > p.amount THEN p.compare_at_amount END
      ORDER BY p.amount, v.position, v.id
    ))[1] AS compare_at_amount
  FROM catalog_variant v
  JOIN picked ON picked.id = v.product_id
  JOIN catalog_price p ON p.variant_id = v.id
  GROUP BY v.product_id, p.currency
),
worded AS MATERIALIZED (
  -- Once a product, whatever the number of its currencies.
  SELECT picked.id,
    setweight(to_tsvector('shopwright', catalog_words(picked.title)), 'A')
      || setweight(to_tsvector('shopwright', catalog_words(concat_ws(' ',
        picked.vendor_name, picked.product_type, array_to_string(picked.tags, ' '),
        variant.skus))), 'B')
      || setweight(to_tsvector('shopwright', catalog_words(concat_ws(' ',
        choice.names, attribute.names, category.names))), 'C') AS ranking,
    setweight(to_tsvector('shopwright', catalog_words(
      left(regexp_replace(picked.description_html, '<[^>]*>', ' ', 'g'), 50000)
    )), 'D') AS description
  FROM picked
  LEFT JOIN variant ON variant.product_id = picked.id
  LEFT JOIN category ON category.product_id = picked.id
  LEFT JOIN choice ON choice.product_id = picked.id
  LEFT JOIN attribute ON attribute.product_id = picked.id
),
priced AS (
  SELECT picked.id AS product_id, coalesce(offer.currency, '') AS currency,
    row_number() OVER (
      PARTITION BY picked.id
      ORDER BY (offer.currency = %(shop_currency)s) DESC, offer.currency
    ) = 1 AS is_default
  FROM picked LEFT JOIN offer ON offer.product_id = picked.id
),
fresh AS (
  SELECT
    picked.id AS product_id, priced.currency, priced.is_default,
    (SELECT row_to_json(shape) FROM (SELECT
      picked.id, picked.slug, picked.title, picked.vendor_name AS vendor,
      (SELECT row_to_json(picture) FROM (
        SELECT i.url, i.alt, i.width, i.height FROM catalog_image i
        WHERE i.product_id = picked.id ORDER BY i.position, i.id LIMIT 1
      ) picture) AS thumbnail,
      (SELECT row_to_json(range) FROM (SELECT
        (SELECT row_to_json(money) FROM (
          SELECT offer.min_amount AS amount, offer.currency) money) AS min,
        (SELECT row_to_json(money) FROM (
          SELECT offer.max_amount AS amount, offer.currency) money) AS max
        WHERE offer.currency IS NOT NULL
      ) range) AS price,
      (SELECT row_to_json(money) FROM (
        SELECT offer.compare_at_amount AS amount, offer.currency
        WHERE offer.compare_at_amount IS NOT NULL
      ) money) AS compare_at_price,
      coalesce(offer.in_stock, variant.in_stock, false) AS in_stock,
      (SELECT row_to_json(rating) FROM (
        SELECT 0::numeric(2, 1) AS average, 0 AS count) rating) AS rating,
      coalesce(variant.quantity, 0) AS variant_count,
      coalesce(offer.default_id, variant.default_id) AS default_variant_id
    ) shape)::text AS card,
    picked.slug, picked.title, picked.vendor_slug,
    coalesce(category.slugs, '{}') AS category_slugs,
    coalesce(collection.slugs, '{}') AS collection_slugs,
    picked.tags,
    coalesce(choice.pairs, '{}') AS options,
    coalesce(attribute.pairs, '{}') AS attributes,
    offer.min_amount, offer.max_amount,
    coalesce(offer.in_stock, variant.in_stock, false) AS in_stock,
    0::numeric(3, 2) AS rating,
    picked.sold_quantity,
    coalesce(picked.published_at, picked.created_at) AS published_at,
    CASE WHEN priced.is_default THEN worded.ranking || worded.description END AS search,
    worded.ranking,
    left(catalog_words(picked.title), 255) AS search_title
  FROM picked
  JOIN priced ON priced.product_id = picked.id
  JOIN worded ON worded.id = picked.id
  LEFT JOIN variant ON variant.product_id = picked.id
  LEFT JOIN offer
    ON offer.product_id = picked.id AND offer.currency = priced.currency
  LEFT JOIN category ON category.product_id = picked.id
  LEFT JOIN collection ON collection.product_id = picked.id
  LEFT JOIN choice ON choice.product_id = picked.id
  LEFT JOIN attribute ON attribute.product_id = picked.id
),
gone AS (
  -- A row that stops or starts to be the default one is made anew, because the index
  -- that allows one default a product is checked row by row.
  DELETE FROM catalog_productcard c
  WHERE c.product_id = ANY(%(ids)s) AND NOT EXISTS (
    SELECT FROM fresh
    WHERE fresh.product_id = c.product_id AND fresh.currency = c.currency
      AND fresh.is_default = c.is_default
  )
  RETURNING c.id
)
INSERT INTO catalog_productcard AS c (
  product_id, currency, is_default, card, slug, title, vendor_slug, category_slugs,
  collection_slugs, tags, options, attributes, min_amount, max_amount, in_stock, rating,
  sold_quantity, published_at, search, ranking, search_title
)
-- Counting what is gone makes the deletion come first.
SELECT fresh.* FROM fresh WHERE (SELECT count(*) FROM gone) >= 0
ON CONFLICT (product_id, currency) DO UPDATE SET
  card = excluded.card, slug = excluded.slug, title = excluded.title,
  vendor_slug = excluded.vendor_slug, category_slugs = excluded.category_slugs,
  collection_slugs = excluded.collection_slugs, tags = excluded.tags,
  options = excluded.options, attributes = excluded.attributes,
  min_amount = excluded.min_amount, max_amount = excluded.max_amount,
  in_stock = excluded.in_stock, rating = excluded.rating,
  sold_quantity = excluded.sold_quantity, published_at = excluded.published_at,
  search = excluded.search, ranking = excluded.ranking,
  search_title = excluded.search_title
WHERE (c.card, c.vendor_slug, c.category_slugs, c.collection_slugs, c.tags, c.options,
    c.attributes, c.rating, c.sold_quantity, c.published_at, c.search)
  IS DISTINCT FROM (excluded.card, excluded.vendor_slug, excluded.category_slugs,
    excluded.collection_slugs, excluded.tags, excluded.options, excluded.attributes,
    excluded.rating, excluded.sold_quantity, excluded.published_at, excluded.search)
"""
# Words of descriptions and codes are no spelling to correct towards.
LEARN_WORDS = """
INSERT INTO catalog_searchword (word, product_count)
SELECT DISTINCT u.lexeme, 1
FROM catalog_productcard c, unnest(c.ranking) u
WHERE c.product_id = ANY(%(ids)s) AND c.is_default AND u.lexeme !~ '[0-9]'
  AND length(u.lexeme) BETWEEN 3 AND 64
ORDER BY 1
ON CONFLICT (word) DO NOTHING
"""
RECOUNT_WORDS = """
WITH counted AS (
  SELECT u.lexeme AS word, count(*) AS product_count
  FROM catalog_productcard c, unnest(c.ranking) u
  WHERE c.is_default AND u.lexeme !~ '[0-9]'
    AND length(u.lexeme) BETWEEN 3 AND 64
  GROUP BY u.lexeme
),
gone AS (
  DELETE FROM catalog_searchword w
  WHERE NOT EXISTS (SELECT FROM counted WHERE counted.word = w.word)
)
INSERT INTO catalog_searchword AS w (word, product_count)
SELECT word, product_count FROM counted ORDER BY word
ON CONFLICT (word) DO UPDATE SET product_count = excluded.product_count
WHERE w.product_count <> excluded.product_count
"""


def lock_products(product_ids: Collection[UUID]) -> None:
    """Serialise changes of these products until the transaction ends.

    Every change of a product or of what hangs on it takes this lock first, products in
    the order of their keys. So cards are composed from what the change before committed,
    and two changes that touch the same products can't deadlock.
    """
    locked = Product.objects.filter(pk__in=product_ids).order_by("pk")
    with lock_wait():
        list(locked.select_for_update(no_key=True).values_list("pk"))


@transaction.atomic
def refresh_cards(*, product_ids: Collection[UUID]) -> None:
    """Make the read model say what the products say now, for any number of them at once.

    A card that would not change is not written. Call it last in the transaction of the
    change, once.
    """
    if not product_ids:
        return
    lock_products(product_ids)
    parameters: dict[str, Any] = {
        "ids": list(product_ids),
        "shop_currency": settings.SHOP_CURRENCY,
    }
    with connection.cursor() as cursor:
        cursor.execute(REFRESH, parameters)
        cursor.execute(LEARN_WORDS, parameters)
    bump_generation()


@transaction.atomic
def recount_search_words() -> None:
    """Count every word's products anew, and forget the words that none has any more."""
    with connection.cursor() as cursor:
        cursor.execute(RECOUNT_WORDS)


@transaction.atomic
def set_availability(*, changes: Mapping[UUID, bool]) -> None:
    """Say which variants can be had, and show it on their products' cards at once.

    Unknown variants are passed over: what is not sold has no availability.
    """
    product_ids = _products_of(changes)
    lock_products(product_ids)
    changed = 0
    for in_stock in (True, False):
        chosen = [pk for pk, value in changes.items() if value is in_stock]
        changed += Variant.objects.filter(pk__in=chosen, in_stock=not in_stock).update(
            in_stock=in_stock, updated_at=timezone.now()
        )
    if changed:
        refresh_cards(product_ids=product_ids)


RECORD_SALES = """
UPDATE catalog_product p
SET sold_quantity = p.sold_quantity + sold.quantity
FROM (
  SELECT v.product_id, sum(line.quantity)::bigint AS quantity
  FROM unnest(%(variants)s::uuid[], %(quantities)s::bigint[]) AS line(variant_id, quantity)
  JOIN catalog_variant v ON v.id = line.variant_id
  GROUP BY v.product_id
) sold
WHERE p.id = sold.product_id
"""


@transaction.atomic
def record_sales(*, quantities: Mapping[UUID, int]) -> None:
    """Count units sold, for the order by best selling. Not idempotent: call once a sale."""
    product_ids = _products_of(quantities)
    lock_products(product_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            RECORD_SALES,
            {"variants": list(quantities), "quantities": list(quantities.values())},
        )
    refresh_cards(product_ids=product_ids)


def _products_of(variant_ids: Collection[UUID] | Mapping[UUID, object]) -> list[UUID]:
    found = Variant.objects.filter(pk__in=list(variant_ids))
    return list(found.values_list("product_id", flat=True).distinct())
