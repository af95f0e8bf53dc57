from catalog.serializers._reading import (
    CardSerializer,
    ProductSerializer,
    SearchResultSerializer,
)

__all__ = ["CardSerializer", "ProductSerializer", "SearchResultSerializer"]
