"""Fill the database with a catalogue to measure: products x 2 variants, stock, one shipping rate.

Prints, as JSON, what the load generator asks for. A second run finds it all there.
"""

import sys
from random import Random

import django

django.setup()

import orjson  # noqa: E402 -- models need django.setup() first
from django.db import connection, transaction  # noqa: E402 -- after django.setup()
from django.utils import timezone  # noqa: E402 -- after django.setup()

from benchmarks.urls import TABLES  # noqa: E402 -- after django.setup()
from catalog import services as catalog_services  # noqa: E402 -- after django.setup()
from catalog.models import Category, Price, Product, Variant, Vendor  # noqa: E402 -- after django.setup()
from inventory import services as inventory_services  # noqa: E402 -- after django.setup()
from inventory.models import Warehouse  # noqa: E402 -- after django.setup()
from orders.models import ShippingOption, ShippingRate  # noqa: E402 -- after django.setup()

WORDS = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "haven",
    "inlet",
    "juniper",
    "kelp",
    "linen",
    "maple",
    "nordic",
    "oak",
]
KINDS = [
    "lamp",
    "chair",
    "kettle",
    "jacket",
    "basket",
    "mirror",
    "blanket",
    "notebook",
    "bottle",
    "clock",
]
BATCH = 1000
UNITS = 10_000_000


def main(count: int) -> None:
    if not Product.objects.exists():
        with transaction.atomic():
            _fill(count)
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.execute("ANALYZE")
    catalogue = {
        "slugs": list(
            Product.objects.order_by("id").values_list("slug", flat=True)[:2000]
        ),
        "variants": [
            str(key)
            for key in Variant.objects.order_by("id").values_list("id", flat=True)[
                :4000
            ]
        ],
        "shipping_option": [
            str(ShippingOption.objects.values_list("id", flat=True)[0])
        ],
        "words": [f"{word}%20{kind}" for word in WORDS for kind in KINDS],
    }
    sys.stdout.buffer.write(orjson.dumps(catalogue))


def _fill(count: int) -> None:
    random = Random(7)
    vendors = Vendor.objects.bulk_create(
        Vendor(name=f"Vendor {n}", slug=f"vendor-{n}") for n in range(40)
    )
    categories = Category.objects.bulk_create(
        Category(name=f"Category {n}", slug=f"category-{n}") for n in range(20)
    )
    option = ShippingOption.objects.create(code="standard", name="Standard")
    ShippingRate.objects.create(option=option, currency="EUR", amount=490)
    Warehouse.objects.create(code="main", name="Main")
    now = timezone.now()
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        products = Product.objects.bulk_create(
            Product(
                slug=f"product-{n}",
                title=f"{random.choice(WORDS).title()} {random.choice(KINDS)} {n}",
                description_html=f"<p>{' '.join(random.choices(WORDS, k=40))}</p>",
                vendor=vendors[n % len(vendors)],
                status=Product.Status.ACTIVE,
                published_at=now,
            )
            for n in numbers
        )
        variants = Variant.objects.bulk_create(
            Variant(product=product, sku=f"{product.slug}-{size}", option_values=[size])
            for product in products
            for size in ("S", "M")
        )
        Price.objects.bulk_create(
            Price(variant=variant, currency="EUR", amount=random.randint(500, 50_000))
            for variant in variants
        )
        through = Product.categories.through
        through.objects.bulk_create(
            through(product_id=product.id, category_id=categories[n % 20].id)
            for n, product in zip(numbers, products, strict=True)
        )
        catalog_services.refresh_cards(product_ids=[product.id for product in products])
        inventory_services.set_counted_in_bulk(
            warehouse_code="main",
            quantities={variant.id: UNITS for variant in variants},
            reason="Benchmark",
            actor_id=None,
            now=now,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
