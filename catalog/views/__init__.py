from catalog.views._products import ProductListView, ProductView

__all__ = ["ProductListView", "ProductView"]
