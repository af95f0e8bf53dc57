from collections import Counter
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from catalog.models import Image, Price, Product, ProductCard, Variant, Vendor
from catalog.tests.shared_data import (
    SHARED_DATA,
    expected_of_shopify,
    needs_shared_data,
)
from inventory.models import Movement, Stock
from inventory.tests.factories import make_warehouse

# Its last product's rows lack cells: "21.99" stands under Option3 Linked To.
SHIFTED = "shopify_official/help_template_new_columns.csv"
# What one of these files counts below zero is set to zero.
BELOW_ZERO = {"partners2017_bicycles.csv": -916, "partners2017_jewelry.csv": -1}

pytestmark = [pytest.mark.django_db, needs_shared_data]


def import_file(name):
    output = StringIO()
    try:
        call_command(
            "import_products",
            str(SHARED_DATA / name),
            currency="USD",
            warehouse="main",
            stdout=output,
            stderr=StringIO(),
        )
    except CommandError as refusal:
        return output.getvalue(), refusal.returncode
    return output.getvalue(), 0


def statuses(holds):
    if set(holds["status"]) == {""}:
        draft = holds["unpublished"]
        found = {"active": holds["products"] - draft, "draft": draft}
    else:
        found = holds["status"]
    return {status: count for status, count in found.items() if count}


@pytest.mark.parametrize(
    ("name", "holds"),
    [given for given in expected_of_shopify() if given.values[0] != SHIFTED],
)
def test_import_takes_what_the_file_holds(name, holds):
    make_warehouse("main")

    _, code = import_file(name)

    assert code == 0
    assert Product.objects.count() == holds["products"]
    assert Variant.objects.count() == holds["variants"]
    assert Variant.objects.exclude(sku="").count() == holds["distinct_skus"]
    with_text = Variant.objects.exclude(sku="", external_sku="")
    assert with_text.count() == holds["variants_with_sku"]
    assert Image.objects.count() == holds["images_per_product_sum"]
    assert Vendor.objects.count() == holds["vendors"]
    amount = Price.objects.aggregate(total=Sum("amount"))["total"]
    assert Decimal(amount) / 100 == Decimal(holds["price_sum"])
    reduced = Price.objects.exclude(compare_at_amount=None)
    assert reduced.count() == holds["compare_at_variants"]
    found = Counter(Product.objects.values_list("status", flat=True))
    assert found == statuses(holds)
    assert ProductCard.objects.count() == found["active"]
    on_hand = Stock.objects.aggregate(total=Sum("on_hand"))["total"]
    if holds["qty_sum"] is None:
        assert on_hand is None
    else:
        below_zero = BELOW_ZERO.get(name.rpartition("/")[2], 0)
        assert on_hand == int(holds["qty_sum"]) - below_zero


@pytest.mark.parametrize(("name", "holds"), expected_of_shopify())
def test_import_of_the_same_file_again_changes_nothing(name, holds):
    make_warehouse("main")
    import_file(name)
    before = snapshot()

    output, _ = import_file(name)

    assert snapshot() == before
    assert "0 created, 0 updated" in output


@pytest.mark.parametrize(("name", "holds"), expected_of_shopify())
def test_import_keeps_the_first_product_as_it_stands(name, holds):
    make_warehouse("main")
    import_file(name)
    first = holds["first"]

    product = Product.objects.get(slug=first["handle"])

    assert product.title == first["title"]
    assert product.vendor.name == first["vendor"]
    assert product.tags == first["tags"]
    variants = list(product.variants.order_by("position"))
    assert len(variants) == first["variant_count"]
    assert product.images.count() == first["images"]
    for variant, line in zip(variants, first["variants"], strict=False):
        without_options = ["Default Title"]
        assert (variant.option_values or without_options) == line["options"]
        assert (variant.sku or variant.external_sku) == line["sku"]
        price = variant.prices.get()
        assert Decimal(price.amount) / 100 == Decimal(line["price"])
    biggest = Product.objects.get(slug=holds["biggest"]["handle"])
    assert biggest.variants.count() == holds["biggest"]["variants"]


@pytest.mark.parametrize("name", [SHIFTED])
def test_import_refuses_the_shifted_rows_of_a_published_template(name):
    make_warehouse("main")

    output, code = import_file(name)

    assert code == 2
    assert "3 refused" in output
    assert list(Product.objects.values_list("slug", flat=True)) == [
        "physical-product-the-band-t-shirt"
    ]
    assert Variant.objects.count() == 9
    assert Stock.objects.aggregate(total=Sum("on_hand"))["total"] == 420


def snapshot():
    return {
        model.__name__: list(model.objects.order_by("pk").values())
        for model in (Product, Variant, Price, Image, ProductCard, Stock, Movement)
    }
