from catalog.views._dictionary import (
    AttributeListView,
    AttributeValueListView,
    AttributeValueView,
    AttributeView,
    CategoryListView,
    CategoryView,
    CollectionListView,
    CollectionView,
    VendorListView,
    VendorView,
)
from catalog.views._products import (
    ArchiveProductView,
    ProductListView,
    ProductView,
    PublishProductView,
)
from catalog.views._search import (
    SearchView,
)
from catalog.views._variants import (
    ImageListView,
    ImageView,
    PriceListView,
    PriceView,
    VariantListView,
    VariantView,
)

__all__ = [
    "ArchiveProductView",
    "AttributeListView",
    "AttributeValueListView",
    "AttributeValueView",
    "AttributeView",
    "CategoryListView",
    "CategoryView",
    "CollectionListView",
    "CollectionView",
    "ImageListView",
    "ImageView",
    "PriceListView",
    "PriceView",
    "ProductListView",
    "ProductView",
    "PublishProductView",
    "SearchView",
    "VariantListView",
    "VariantView",
    "VendorListView",
    "VendorView",
]
