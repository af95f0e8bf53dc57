from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection

# What it says stands in the migration 0003_product_document.
DOCUMENT = """
SELECT content, version
FROM catalog_product_document(
  %(id)s, %(slug)s, %(currency)s, %(shop_currency)s, %(is_staff)s
)
WHERE content IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class ProductDocument:
    """A product as finished JSON, and the version that it shows."""

    content: str
    version: int


def find_product_document(
    key: UUID | str, *, currency: str = "", is_staff: bool = False
) -> ProductDocument | None:
    """Compose the product of this id or slug in one query; drafts only for staff."""
    is_id = isinstance(key, UUID)
    with connection.cursor() as cursor:
        cursor.execute(
            DOCUMENT,
            {
                "id": key if is_id else None,
                "slug": None if is_id else key,
                "currency": currency,
                "shop_currency": settings.SHOP_CURRENCY,
                "is_staff": is_staff,
            },
        )
        row = cursor.fetchone()
    return ProductDocument(*row) if row else None
