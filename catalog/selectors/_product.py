from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection

# Compact as orjson writes it; see services/_cards.py. A map of options is put together
# by hand, because json_object_agg would leave blanks in it.
PRODUCT = """
WITH picked AS (
  SELECT p.*, v.name AS vendor_name
  FROM catalog_product p LEFT JOIN catalog_vendor v ON v.id = p.vendor_id
  WHERE {key} AND (p.status = 'active' OR %(is_staff)s)
),
chosen AS (
  SELECT coalesce(nullif(%(currency)s, ''), (
    SELECT price.currency
    FROM catalog_price price JOIN catalog_variant v ON v.id = price.variant_id
    JOIN picked ON picked.id = v.product_id
    ORDER BY (price.currency = %(shop_currency)s) DESC, price.currency LIMIT 1
  )) AS currency
),
option AS (
  SELECT o.*, row_number() OVER (ORDER BY o.position, o.id) AS place
  FROM catalog_productoption o JOIN picked ON picked.id = o.product_id
),
variant AS (
  SELECT v.*, price.amount, price.currency,
    CASE WHEN price.compare_at_amount > price.amount THEN price.compare_at_amount END
      AS compare_at_amount
  FROM catalog_variant v
  JOIN picked ON picked.id = v.product_id
  LEFT JOIN catalog_price price ON price.variant_id = v.id
    AND price.currency = (SELECT currency FROM chosen)
),
offer AS (
  SELECT count(*) AS quantity,
    min(amount) AS min_amount, max(amount) AS max_amount,
    coalesce(
      bool_or(in_stock) FILTER (WHERE amount IS NOT NULL OR %(currency)s = '' AND
        NOT EXISTS (SELECT FROM variant priced WHERE priced.amount IS NOT NULL)),
      false
    ) AS in_stock,
    (array_agg(id ORDER BY amount IS NULL, in_stock DESC, position, id))[1]
      AS default_id,
    (array_agg(compare_at_amount ORDER BY amount, position, id))[1]
      AS compare_at_amount,
    max(currency) AS currency
  FROM variant
)
SELECT (SELECT row_to_json(shape) FROM (SELECT
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
  offer.in_stock,
  (SELECT row_to_json(rating) FROM (
    SELECT 0::numeric(2, 1) AS average, 0 AS count) rating) AS rating,
  offer.quantity AS variant_count,
  offer.default_id AS default_variant_id,
  picked.description_html, picked.product_type,
  array_to_json(ARRAY(SELECT row_to_json(entry) FROM (
    SELECT option.name, option.values FROM option ORDER BY option.place
  ) entry)) AS options,
  array_to_json(ARRAY(SELECT row_to_json(entry) FROM (
    SELECT v.id, nullif(v.sku, '') AS sku, nullif(v.barcode, '') AS barcode,
      coalesce(nullif(array_to_string(v.option_values, ' / '), ''), 'Default') AS title,
      ('{{' || coalesce((
        SELECT string_agg(
          to_json(option.name)::text || ':' || to_json(v.option_values[option.place])::text,
          ',' ORDER BY option.place
        ) FROM option WHERE option.place <= cardinality(v.option_values)
      ), '') || '}}')::json AS options,
      (SELECT row_to_json(money) FROM (
        SELECT v.amount, v.currency WHERE v.amount IS NOT NULL) money) AS price,
      (SELECT row_to_json(money) FROM (
        SELECT v.compare_at_amount AS amount, v.currency
        WHERE v.compare_at_amount IS NOT NULL) money) AS compare_at_price,
      v.in_stock, v.weight_grams, v.image_id
    FROM variant v ORDER BY v.position, v.id
  ) entry)) AS variants,
  array_to_json(ARRAY(SELECT row_to_json(entry) FROM (
    SELECT i.id, i.url, i.alt, i.position, i.width, i.height FROM catalog_image i
    WHERE i.product_id = picked.id ORDER BY i.position, i.id
  ) entry)) AS images,
  array_to_json(ARRAY(SELECT row_to_json(entry) FROM (
    SELECT a.code, a.name, a.type, nullif(a.unit, '') AS unit,
      CASE a.type
        WHEN 'choice' THEN to_json(w.code)
        WHEN 'text' THEN to_json(m.text)
        WHEN 'number' THEN to_json(m.number::float8)
        ELSE to_json(m.boolean)
      END AS value,
      w.label
    FROM catalog_productattribute m
    JOIN catalog_attribute a ON a.id = m.attribute_id
    LEFT JOIN catalog_attributevalue w ON w.id = m.value_id
    WHERE m.product_id = picked.id
    ORDER BY a.position, a.code, w.position, w.code
  ) entry)) AS attributes,
  array_to_json(ARRAY(SELECT row_to_json(entry) FROM (
    SELECT c.id, c.slug, c.name
    FROM catalog_product_categories m JOIN catalog_category c ON c.id = m.category_id
    WHERE m.product_id = picked.id ORDER BY c.name, c.id
  ) entry)) AS categories,
  array_to_json(ARRAY(SELECT row_to_json(entry) FROM (
    SELECT c.id, c.slug, c.title
    FROM catalog_collectionproduct m
    JOIN catalog_collection c ON c.id = m.collection_id
    WHERE m.product_id = picked.id ORDER BY c.title, c.id
  ) entry)) AS collections,
  picked.tags,
  (SELECT row_to_json(seo) FROM (
    SELECT picked.seo_title AS title, picked.seo_description AS description
  ) seo) AS seo,
  picked.status,
  to_char(picked.published_at AT TIME ZONE 'UTC', {instant}) AS published_at,
  to_char(picked.created_at AT TIME ZONE 'UTC', {instant}) AS created_at,
  to_char(picked.updated_at AT TIME ZONE 'UTC', {instant}) AS updated_at
) shape)::text, picked.version
FROM picked, offer
"""
INSTANT = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
PRODUCT_BY_ID = PRODUCT.format(key="p.id = %(key)s", instant=INSTANT)
PRODUCT_BY_SLUG = PRODUCT.format(key="p.slug = %(key)s", instant=INSTANT)


@dataclass(frozen=True, slots=True)
class ProductDocument:
    """A product as finished JSON, and the version that it shows."""

    content: str
    version: int


def find_product_document(
    key: UUID | str, *, currency: str = "", is_staff: bool = False
) -> ProductDocument | None:
    """Compose the product of this id or slug in one query; drafts only for staff."""
    statement = PRODUCT_BY_ID if isinstance(key, UUID) else PRODUCT_BY_SLUG
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "key": key,
                "currency": currency,
                "shop_currency": settings.SHOP_CURRENCY,
                "is_staff": is_staff,
            },
        )
        row = cursor.fetchone()
    return ProductDocument(*row) if row else None
