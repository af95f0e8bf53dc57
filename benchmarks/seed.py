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

SYLLABLES = [first + second for first in "bdfgklmnprstvwz" for second in "aeiou"]
# As in real shops: a few hundred kinds of goods, texts of a few thousand words of which
# some are everywhere and most are rare (Zipf's law).
KINDS = 200
VOCABULARY = 4000
BATCH = 1000
UNITS = 10_000_000


def main(count: int) -> None:
    first = Product.objects.order_by("id").values_list("slug", flat=True).first()
    if first is None:
        with transaction.atomic():
            _fill(count)
    elif first != "article-0":
        raise SystemExit("var/bench holds an older catalogue: delete it.")
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
        # Everybody looks for something else, and there is some of it.
        "searches": [
            "%20".join(title.split()[:2])
            for title in Product.objects.order_by("id").values_list("title", flat=True)[
                :500
            ]
        ],
    }
    sys.stdout.buffer.write(orjson.dumps(catalogue))


def _fill(count: int) -> None:
    random = Random(7)
    words = sorted({"".join(random.choices(SYLLABLES, k=n)) for n in (2, 3, 4) * 2000})
    random.shuffle(words)
    kinds, vocabulary = words[:KINDS], words[KINDS : KINDS + VOCABULARY]
    weights = [1 / (rank + 3) for rank in range(len(vocabulary))]
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
                slug=f"article-{n}",
                title=f"{random.choices(vocabulary, weights)[0].title()} {random.choice(kinds)} {n}",
                description_html=f"<p>{' '.join(random.choices(vocabulary, weights, k=60))}</p>",
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
