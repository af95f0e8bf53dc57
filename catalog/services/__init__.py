from catalog.services._cards import (
    lock_products,
    record_sales,
    recount_search_words,
    refresh_cards,
    set_availability,
)
from catalog.services._categories import (
    change_category,
    create_category,
    delete_category,
)
from catalog.services._dictionary import change_entry, create_entry, delete_entry
from catalog.services._html import clean_html
from catalog.services._images import add_image, change_image, delete_image
from catalog.services._products import change_product, create_product, delete_product
from catalog.services._publishing import archive_product, publish_product
from catalog.services._variants import (
    add_price,
    add_variant,
    change_price,
    change_variant,
    delete_price,
    delete_variant,
)

__all__ = [
    "add_image",
    "add_price",
    "add_variant",
    "archive_product",
    "change_category",
    "change_entry",
    "change_image",
    "change_price",
    "change_product",
    "change_variant",
    "clean_html",
    "create_category",
    "create_entry",
    "create_product",
    "delete_category",
    "delete_entry",
    "delete_image",
    "delete_price",
    "delete_product",
    "delete_variant",
    "lock_products",
    "publish_product",
    "record_sales",
    "recount_search_words",
    "refresh_cards",
    "set_availability",
]
