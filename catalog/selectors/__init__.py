from catalog.selectors._pricing import (
    PricedVariant,
    get_priced_variants,
    skus_by_variant_id,
    variant_exists,
    variant_ids_by_sku,
)

__all__ = [
    "PricedVariant",
    "get_priced_variants",
    "skus_by_variant_id",
    "variant_exists",
    "variant_ids_by_sku",
]
