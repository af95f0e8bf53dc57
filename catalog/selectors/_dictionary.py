"""Lists and rows of what hangs on products, as readers and staff ask for them."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from catalog.models import (
    Attribute,
    AttributeValue,
    Category,
    Collection,
    Image,
    Price,
    ProductOption,
    Variant,
    Vendor,
)


def vendors(*, text: str = "") -> QuerySet[Vendor]:
    return Vendor.objects.filter(Q(name__icontains=text) | Q(slug__icontains=text))


def collections(*, text: str = "") -> QuerySet[Collection]:
    return Collection.objects.filter(Q(title__icontains=text) | Q(slug__icontains=text))


def attributes(
    *, text: str = "", type_: str = "", is_filterable: bool | None = None
) -> QuerySet[Attribute]:
    found = Attribute.objects.filter(Q(name__icontains=text) | Q(code__icontains=text))
    if type_:
        found = found.filter(type=type_)
    if is_filterable is not None:
        found = found.filter(is_filterable=is_filterable)
    return found


def attribute_values(
    attribute: Attribute, *, text: str = ""
) -> QuerySet[AttributeValue]:
    return AttributeValue.objects.filter(
        Q(label__icontains=text) | Q(code__icontains=text), attribute=attribute
    )


def category_tree() -> list[dict[str, Any]]:
    """Return the roots, each with its children below it, in one query."""
    columns = ("id", "slug", "name", "parent_id", "description", "position")
    rows = list(Category.objects.order_by("position", "name", "id").values(*columns))
    nodes = {row["id"]: {**row, "children": []} for row in rows}
    roots: list[dict[str, Any]] = []
    for node in nodes.values():
        parent = nodes.get(node["parent_id"])
        (roots if parent is None else parent["children"]).append(node)
    return roots


def published_variants(*, is_staff: bool) -> QuerySet[Variant]:
    variants = Variant.objects.all()
    return variants if is_staff else variants.filter(product__status="active")


def published_images(*, is_staff: bool) -> QuerySet[Image]:
    images = Image.objects.all()
    return images if is_staff else images.filter(product__status="active")


def variant_detail(variant: Variant) -> dict[str, Any]:
    """Return what one variant says: itself, its options by name and its prices."""
    options = ProductOption.objects.filter(product_id=variant.product_id)
    names = options.order_by("position", "pk").values_list("name", flat=True)
    return {
        "id": variant.pk,
        "product_id": variant.product_id,
        "sku": variant.sku or None,
        "barcode": variant.barcode or None,
        "title": variant.title,
        "options": dict(zip(names, variant.option_values, strict=False)),
        "prices": list(variant.prices.order_by("currency")),
        "in_stock": variant.in_stock,
        "weight_grams": variant.weight_grams,
        "image_id": variant.image_id,
        "position": variant.position,
    }


def prices_of(variant_id: UUID, *, is_staff: bool) -> QuerySet[Price]:
    prices = Price.objects.filter(variant_id=variant_id)
    return prices if is_staff else prices.filter(variant__product__status="active")
