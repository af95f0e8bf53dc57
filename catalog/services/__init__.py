from catalog.services._cards import (
    lock_products,
    record_sales,
    recount_search_words,
    refresh_cards,
    set_availability,
)

__all__ = [
    "lock_products",
    "record_sales",
    "recount_search_words",
    "refresh_cards",
    "set_availability",
]
