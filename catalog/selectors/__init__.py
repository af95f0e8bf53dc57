from catalog.selectors._dictionary import (
    attribute_values,
    attributes,
    category_tree,
    collections,
    prices_of,
    published_images,
    published_variants,
    variant_detail,
    vendors,
)
from catalog.selectors._listing import (
    ORDERINGS,
    CardFilters,
    CardPage,
    Ordering,
    PageRequest,
    count_cards,
    list_cards,
)
from catalog.selectors._pricing import (
    PricedVariant,
    get_priced_variants,
    variant_exists,
    variant_ids_by_sku,
)
from catalog.selectors._product import ProductDocument, find_product_document
from catalog.selectors._search import (
    Search,
    SearchPage,
    continue_search,
    search_cards,
)

__all__ = [
    "ORDERINGS",
    "CardFilters",
    "CardPage",
    "Ordering",
    "PageRequest",
    "PricedVariant",
    "ProductDocument",
    "Search",
    "SearchPage",
    "attribute_values",
    "attributes",
    "category_tree",
    "collections",
    "continue_search",
    "count_cards",
    "find_product_document",
    "get_priced_variants",
    "list_cards",
    "prices_of",
    "published_images",
    "published_variants",
    "search_cards",
    "variant_detail",
    "variant_exists",
    "variant_ids_by_sku",
    "vendors",
]
