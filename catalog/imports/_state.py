"""Products as they are in the database, in the shape that a plan compares."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from django.db.models import F

from catalog.models import Image, Price, Product, ProductOption, Variant


@dataclass(frozen=True, slots=True)
class ProductFields:
    title: str
    description_html: str = ""
    vendor_id: UUID | None = None
    product_type: str = ""
    status: str = Product.Status.ACTIVE
    tags: tuple[str, ...] = ()
    seo_title: str = ""
    seo_description: str = ""
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OptionState:
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageState:
    id: UUID
    url: str
    alt: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class VariantState:
    id: UUID
    option_values: tuple[str, ...]
    sku: str = ""
    external_sku: str = ""
    barcode: str = ""
    position: int = 0
    weight_grams: int | None = None
    image_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PriceState:
    amount: int
    compare_at_amount: int | None = None


@dataclass(slots=True)
class ProductState:
    """A product with what hangs on it; prices are those of the import's currency."""

    id: UUID
    slug: str
    fields: ProductFields
    options: list[OptionState] = field(default_factory=list)
    images: dict[str, ImageState] = field(default_factory=dict)
    variants: dict[UUID, VariantState] = field(default_factory=dict)
    prices: dict[UUID, PriceState] = field(default_factory=dict)
    category_ids: set[UUID] = field(default_factory=set)

    @property
    def option_names(self) -> tuple[str, ...]:
        return tuple(option.name for option in self.options)

    def copy(self) -> "ProductState":
        return replace(
            self,
            options=list(self.options),
            images=dict(self.images),
            variants=dict(self.variants),
            prices=dict(self.prices),
            category_ids=set(self.category_ids),
        )


def product_ids_of(handles: Collection[str]) -> list[UUID]:
    return list(Product.objects.filter(slug__in=handles).values_list("pk", flat=True))


def load_products(ids: Collection[UUID], *, currency: str) -> dict[str, ProductState]:
    """Return the products by their handles, in a fixed number of queries."""
    products = {
        row.pk: ProductState(
            row.pk,
            row.slug,
            ProductFields(
                title=row.title,
                description_html=row.description_html,
                vendor_id=row.vendor_id,
                product_type=row.product_type,
                status=row.status,
                tags=tuple(row.tags),
                seo_title=row.seo_title,
                seo_description=row.seo_description,
                published_at=row.published_at,
            ),
        )
        for row in Product.objects.filter(pk__in=ids)
    }
    _load_options(products)
    _load_images(products)
    _load_variants(products)
    _load_prices(products, currency)
    _load_categories(products)
    return {product.slug: product for product in products.values()}


def _load_options(products: Mapping[UUID, ProductState]) -> None:
    rows = ProductOption.objects.filter(product__in=products)
    for row in rows.order_by("position", "pk"):
        option = OptionState(row.name, tuple(row.values))
        products[row.product_id].options.append(option)


def _load_images(products: Mapping[UUID, ProductState]) -> None:
    for row in Image.objects.filter(product__in=products):
        image = ImageState(row.pk, row.url, row.alt, row.position)
        products[row.product_id].images[row.url] = image


def _load_variants(products: Mapping[UUID, ProductState]) -> None:
    rows = Variant.objects.filter(product__in=products)
    for row in rows.order_by("position", "pk"):
        products[row.product_id].variants[row.pk] = VariantState(
            id=row.pk,
            option_values=tuple(row.option_values),
            sku=row.sku,
            external_sku=row.external_sku,
            barcode=row.barcode,
            position=row.position,
            weight_grams=row.weight_grams,
            image_id=row.image_id,
        )


def _load_prices(products: Mapping[UUID, ProductState], currency: str) -> None:
    rows = Price.objects.filter(variant__product__in=products, currency=currency)
    for row in rows.annotate(product_id=F("variant__product")):
        price = PriceState(row.amount, row.compare_at_amount)
        products[row.product_id].prices[row.variant_id] = price


def _load_categories(products: Mapping[UUID, ProductState]) -> None:
    filed = Product.categories.through.objects.filter(product__in=products)
    for product_id, category_id in filed.values_list("product", "category"):
        products[product_id].category_ids.add(category_id)


def sku_owners(skus: Iterable[str | None]) -> dict[str, UUID]:
    """Return which variant has each SKU; SKUs that none has are absent."""
    wanted = {sku for sku in skus if sku}
    found = Variant.objects.filter(sku__in=wanted).values_list("sku", "pk")
    return dict(found)
