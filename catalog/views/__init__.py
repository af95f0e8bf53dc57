from catalog.views._products import ProductListView, ProductView
from catalog.views._search import SearchView

__all__ = ["ProductListView", "ProductView", "SearchView"]
