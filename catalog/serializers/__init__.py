from catalog.serializers._reading import CardSerializer, ProductSerializer

__all__ = ["CardSerializer", "ProductSerializer"]
