from django.db import migrations

# The shape of a product, as serializers.ProductSerializer describes it, byte for byte.
# It is a function because planning so large a statement takes five times as long as
# running it, and a function's plan is kept by the connection. A later change of the
# shape replaces the function in a migration of its own.
#
# Compact as orjson writes it: row_to_json and to_json leave no blanks, json_build_object
# and json_object_agg would; what is small is put together by hand.
CREATE_MONEY = """
CREATE FUNCTION catalog_money(amount bigint, currency text) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN amount IS NOT NULL
    THEN ('{"amount":' || amount || ',"currency":"' || currency || '"}')::json END
$$
"""
CREATE_INSTANT = """
CREATE FUNCTION catalog_instant(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$
"""
CREATE_DOCUMENT = """
CREATE FUNCTION catalog_product_document(
  wanted_id uuid, wanted_slug text, wanted_currency text, shop_currency text,
  sees_drafts boolean, OUT content text, OUT version integer
)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
BEGIN
  IF wanted_id IS NULL THEN
    SELECT p.id INTO wanted_id FROM catalog_product p WHERE p.slug = wanted_slug;
  END IF;
  WITH picked AS (
    SELECT p.*, v.name AS vendor_name
    FROM catalog_product p LEFT JOIN catalog_vendor v ON v.id = p.vendor_id
    WHERE p.id = wanted_id AND (p.status = 'active' OR sees_drafts)
  ),
  chosen AS (
    SELECT coalesce(nullif(wanted_currency, ''), (
      SELECT price.currency
      FROM catalog_price price JOIN catalog_variant v ON v.id = price.variant_id
      JOIN picked ON picked.id = v.product_id
      ORDER BY (price.currency = shop_currency) DESC, price.currency LIMIT 1
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
        bool_or(in_stock) FILTER (WHERE amount IS NOT NULL OR wanted_currency = '' AND
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
    CASE WHEN offer.currency IS NOT NULL THEN (
      '{"min":' || catalog_money(offer.min_amount, offer.currency)
      || ',"max":' || catalog_money(offer.max_amount, offer.currency) || '}'
    )::json END AS price,
    catalog_money(offer.compare_at_amount, offer.currency) AS compare_at_price,
    offer.in_stock,
    '{"average":0.0,"count":0}'::json AS rating,
    offer.quantity AS variant_count,
    offer.default_id AS default_variant_id,
    picked.description_html, picked.product_type,
    array_to_json(ARRAY(SELECT row_to_json(entry) FROM (
      SELECT option.name, option.values FROM option ORDER BY option.place
    ) entry)) AS options,
    array_to_json(ARRAY(SELECT row_to_json(entry) FROM (
      SELECT v.id, nullif(v.sku, '') AS sku, nullif(v.barcode, '') AS barcode,
        coalesce(nullif(array_to_string(v.option_values, ' / '), ''), 'Default') AS title,
        ('{' || coalesce((
          SELECT string_agg(
            to_json(option.name)::text || ':' || to_json(v.option_values[option.place])::text,
            ',' ORDER BY option.place
          ) FROM option WHERE option.place <= cardinality(v.option_values)
        ), '') || '}')::json AS options,
        catalog_money(v.amount, v.currency) AS price,
        catalog_money(v.compare_at_amount, v.currency) AS compare_at_price,
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
    (
      '{"title":' || to_json(picked.seo_title)
      || ',"description":' || to_json(picked.seo_description) || '}'
    )::json AS seo,
    picked.status,
    catalog_instant(picked.published_at) AS published_at,
    catalog_instant(picked.created_at) AS created_at,
    catalog_instant(picked.updated_at) AS updated_at
  ) shape)::text, picked.version
    INTO content, version
  FROM picked, offer;
END
$$
"""
DROP_MONEY = "DROP FUNCTION catalog_money(bigint, text)"
DROP_INSTANT = "DROP FUNCTION catalog_instant(timestamptz)"
DROP_DOCUMENT = (
    "DROP FUNCTION catalog_product_document(uuid, text, text, text, boolean)"
)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_search")]

    operations = [
        migrations.RunSQL(CREATE_MONEY, DROP_MONEY),
        migrations.RunSQL(CREATE_INSTANT, DROP_INSTANT),
        migrations.RunSQL(CREATE_DOCUMENT, DROP_DOCUMENT),
    ]
