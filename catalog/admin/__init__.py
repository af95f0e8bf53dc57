"""The staff's pages of the catalogue. Every change goes through the services, as the API's do."""

from catalog.admin._dictionary import (
    AttributeAdmin,
    CategoryAdmin,
    CollectionAdmin,
    VendorAdmin,
)
from catalog.admin._imports import ImportJobAdmin
from catalog.admin._products import ProductAdmin
from catalog.admin._variants import VariantAdmin

__all__ = [
    "AttributeAdmin",
    "CategoryAdmin",
    "CollectionAdmin",
    "ImportJobAdmin",
    "ProductAdmin",
    "VariantAdmin",
    "VendorAdmin",
]
