"""Put the demo catalogue into the database: products, pictures, prices and stock."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product as combinations
from random import Random

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.text import slugify

from catalog import services as catalog_services
from catalog.models import (
    Attribute,
    AttributeValue,
    Category,
    Collection,
    CollectionProduct,
    Image,
    Price,
    Product,
    ProductAttribute,
    ProductOption,
    Variant,
    Vendor,
)
from config.demo.catalogue import (
    CATEGORIES,
    COLLECTIONS,
    HEX,
    OPTION_SETS,
    DemoCategory,
    DemoProduct,
)
from config.demo.pictures import SIZE, product_svg
from inventory import services as inventory_services
from inventory.models import Warehouse

WAREHOUSES = (("main", "Main warehouse", 10), ("harbour", "Harbour store", 20))
DOLLARS_PER_EURO = 1.1
# One in so many products is reduced, and one in so many variants is sold out.
REDUCED_EVERY = 7
SOLD_OUT_EVERY = 17
FEW = 12
SIZE_STEP_CENTS = {"1 kg": 2200, "A3": 1600, "50 x 70 cm": 3900, "XL": 200}


@dataclass(slots=True)
class Rows:
    """Everything to be written, gathered first so that each table is one statement."""

    products: list[Product] = field(default_factory=list)
    options: list[ProductOption] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    attributes: list[ProductAttribute] = field(default_factory=list)
    categories: list[tuple[Product, Category]] = field(default_factory=list)


def seed_goods(*, random: Random, now: datetime) -> list[Variant]:
    """Write the whole catalogue with its stock; return the variants in order."""
    rows = Rows()
    vendors = _vendors()
    materials = _materials()
    for index, demo in enumerate(CATEGORIES):
        category = _category(demo, position=index)
        for number, item in enumerate(demo.products):
            age = timedelta(days=len(CATEGORIES) * 12 - index * 12 - number, hours=3)
            product = Product(
                slug=slugify(item.title),
                title=item.title,
                description_html=_description(item, demo),
                vendor=vendors[demo.vendors[number % len(demo.vendors)]],
                product_type=demo.name,
                status=Product.Status.ACTIVE,
                tags=_tags(item, demo),
                seo_title=f"{item.title} | {demo.name}",
                seo_description=item.blurb,
                published_at=now - age,
                created_at=now - age,
            )
            rows.products.append(product)
            rows.categories.append((product, category))
            rows.attributes.append(
                ProductAttribute(
                    product=product,
                    attribute=materials[demo.material].attribute,
                    value=materials[demo.material],
                )
            )
            _add_variants(rows, product, item, demo.picture)
    _write(rows)
    _collections(rows.products)
    catalog_services.refresh_cards(product_ids=[row.id for row in rows.products])
    _stock(rows.variants, random=random, opened_at=now)
    return rows.variants


def _vendors() -> dict[str, Vendor]:
    names = sorted({name for demo in CATEGORIES for name in demo.vendors})
    vendors = Vendor.objects.bulk_create(
        Vendor(name=name, slug=slugify(name)) for name in names
    )
    return {vendor.name: vendor for vendor in vendors}


def _materials() -> dict[str, AttributeValue]:
    attribute = Attribute.objects.create(code="material", name="Material")
    labels = sorted({demo.material for demo in CATEGORIES})
    values = AttributeValue.objects.bulk_create(
        AttributeValue(
            attribute=attribute, code=slugify(label), label=label, position=position
        )
        for position, label in enumerate(labels)
    )
    return {value.label: value for value in values}


def _category(demo: DemoCategory, *, position: int) -> Category:
    parent, _ = Category.objects.get_or_create(
        slug=slugify(demo.parent), defaults={"name": demo.parent, "position": position}
    )
    return Category.objects.create(
        parent=parent, name=demo.name, slug=slugify(demo.name), position=position
    )


def _description(item: DemoProduct, demo: DemoCategory) -> str:
    return (
        f"<p>{item.blurb}</p><ul><li>{demo.material}</li>"
        "<li>Made to be repaired</li><li>Packed without plastic</li></ul>"
    )


def _tags(item: DemoProduct, demo: DemoCategory) -> list[str]:
    gift = ["gift"] if item.cents < 3000 else []  # noqa: PLR2004 -- thirty euros
    return [slugify(demo.parent), slugify(demo.name), *gift]


def _add_variants(rows: Rows, product: Product, item: DemoProduct, shape: str) -> None:
    options = OPTION_SETS[item.options]
    rows.options.extend(
        ProductOption(product=product, name=name, position=place, values=list(values))
        for place, (name, values) in enumerate(options.items())
    )
    images = _pictures(product, shape, options)
    rows.images.extend(images.values())
    is_reduced = len(rows.products) % REDUCED_EVERY == 0
    for place, values in enumerate(combinations(*options.values())):
        color = next((value for value in values if value in images), "")
        variant = Variant(
            product=product,
            sku=_sku(product.slug, values, serial=len(rows.products)),
            option_values=list(values),
            position=place,
            weight_grams=150 + item.cents // 20,
            image=images.get(color),
        )
        rows.variants.append(variant)
        cents = item.cents + sum(SIZE_STEP_CENTS.get(value, 0) for value in values)
        rows.prices.extend(_prices(variant, cents, is_reduced=is_reduced))


def _sku(slug: str, values: tuple[str, ...], *, serial: int) -> str:
    stem = "".join(word[0] for word in slug.split("-")).upper()
    endings = ["".join(filter(str.isalnum, value))[:3].upper() for value in values]
    return "-".join([f"{stem}{serial:03d}", *endings])


def _prices(variant: Variant, cents: int, *, is_reduced: bool) -> Iterator[Price]:
    dollar_cents = round(cents * DOLLARS_PER_EURO / 100) * 100 - 1
    for currency, amount in (("EUR", cents), ("USD", dollar_cents)):
        before = amount + amount // 4 if is_reduced else None
        yield Price(
            variant=variant, currency=currency, amount=amount, compare_at_amount=before
        )


def _pictures(
    product: Product, shape: str, options: dict[str, tuple[str, ...]]
) -> dict[str, Image]:
    """Draw one picture per color, or a single one, and store the files."""
    colors = options.get("Color", ("",))
    images = {}
    for position, color in enumerate(colors):
        name = f"demo/{product.slug}{'-' if color else ''}{color.lower()}.svg"
        drawing = product_svg(title=product.title, shape=shape, ink=HEX.get(color, ""))
        if not default_storage.exists(name):
            default_storage.save(name, ContentFile(drawing.encode()))
        images[color] = Image(
            product=product,
            url=default_storage.url(name),
            alt=f"{product.title}{', ' if color else ''}{color.lower()}",
            position=position,
            width=SIZE,
            height=SIZE,
        )
    return images


def _write(rows: Rows) -> None:
    Product.objects.bulk_create(rows.products)
    ProductOption.objects.bulk_create(rows.options)
    Image.objects.bulk_create(rows.images)
    Variant.objects.bulk_create(rows.variants)
    Price.objects.bulk_create(rows.prices)
    ProductAttribute.objects.bulk_create(rows.attributes)
    through = Product.categories.through
    through.objects.bulk_create(
        through(product_id=product.id, category_id=category.id)
        for product, category in rows.categories
    )


def _collections(products: list[Product]) -> None:
    by_title = {product.title: product for product in products}
    for position, (title, members) in enumerate(COLLECTIONS.items()):
        collection = Collection.objects.create(
            title=title, slug=slugify(title), position=position
        )
        CollectionProduct.objects.bulk_create(
            CollectionProduct(
                collection=collection, product=by_title[member], position=place
            )
            for place, member in enumerate(members)
        )


def _stock(variants: list[Variant], *, random: Random, opened_at: datetime) -> None:
    for code, name, priority in WAREHOUSES:
        Warehouse.objects.create(code=code, name=name, priority=priority)
        quantities = {
            variant.id: FEW if place % SOLD_OUT_EVERY == 0 else random.randint(45, 90)
            for place, variant in enumerate(variants)
        }
        inventory_services.set_counted_in_bulk(
            warehouse_code=code,
            quantities=quantities,
            reason="Opening stock",
            actor_id=None,
            now=opened_at,
        )


def sell_out(variants: list[Variant], *, random: Random, now: datetime) -> None:
    """Let what there were few of run out, each on some day of the last month."""
    for variant in variants[::SOLD_OUT_EVERY]:
        at = now - timedelta(days=random.randint(1, 27), hours=3)
        for code, _, _ in WAREHOUSES:
            inventory_services.set_counted_in_bulk(
                warehouse_code=code,
                quantities={variant.id: 0},
                reason="Counted",
                actor_id=None,
                now=at,
            )
