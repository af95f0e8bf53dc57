from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog.models import Variant
from core.money import Money
from core.prepared import prepared_cursor

PRICED_VARIANTS = """
SELECT v.id, v.sku, v.option_values, p.title, p.slug, v.weight_grams,
  price.amount, i.url, i.alt, i.width, i.height
FROM catalog_variant v
JOIN catalog_product p ON p.id = v.product_id AND p.status = 'active'
JOIN catalog_price price ON price.variant_id = v.id AND price.currency = %(currency)s
LEFT JOIN LATERAL (
  SELECT i.url, i.alt, i.width, i.height FROM catalog_image i
  WHERE i.product_id = p.id
  ORDER BY (i.id = v.image_id) DESC NULLS LAST, i.position, i.id LIMIT 1
) i ON true
WHERE v.id = ANY(%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class PricedVariant:
    """What a sale needs to know of a variant. Whether it is in stock, inventory says."""

    id: UUID
    sku: str
    title: str
    product_title: str
    product_slug: str
    thumbnail: dict[str, Any] | None
    unit: Money
    weight_grams: int | None
    is_sellable: bool = True


def get_priced_variants(
    *, variant_ids: Collection[UUID], currency: str
) -> dict[UUID, PricedVariant]:
    """Return those that are published and have a price in the currency, in one query.

    The others are absent: nobody may buy them.
    """
    with prepared_cursor() as cursor:
        cursor.execute(
            PRICED_VARIANTS, {"ids": list(variant_ids), "currency": currency}
        )
        return {row[0]: _priced_variant(row, currency) for row in cursor.fetchall()}


def _priced_variant(row: tuple[Any, ...], currency: str) -> PricedVariant:
    pk, sku, values, title, slug, weight, amount, url, alt, width, height = row
    thumbnail = {"url": url, "alt": alt, "width": width, "height": height}
    return PricedVariant(
        id=pk,
        sku=sku,
        title=" / ".join(values) or "Default",
        product_title=title,
        product_slug=slug,
        thumbnail=thumbnail if url else None,
        unit=Money(amount, currency),
        weight_grams=weight,
    )


def variant_ids_by_sku(skus: Collection[str]) -> dict[str, UUID]:
    """Return the ids of those SKUs that exist."""
    found = Variant.objects.filter(sku__in=[sku for sku in skus if sku])
    return dict(found.values_list("sku", "id"))


def variant_exists(variant_id: UUID) -> bool:
    return Variant.objects.filter(pk=variant_id).exists()
