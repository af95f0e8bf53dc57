import random
from datetime import UTC, datetime

import pytest

from catalog.imports import UnusableFileError, _stock_writer
from catalog.models import (
    Category,
    Image,
    Price,
    Product,
    ProductCard,
    Variant,
    Vendor,
)
from catalog.tests.factories import make_category, make_product
from catalog.tests.importing import (
    FIXTURES,
    LATER,
    NOW,
    Listener,
    as_csv,
    mug,
    run,
    shirt,
    snapshot,
)
from core.models import OutboxEvent
from inventory.exceptions import UnknownWarehouseError
from inventory.models import Movement, Stock
from inventory.tests.factories import make_stock, make_warehouse, reserve

pytestmark = pytest.mark.django_db


def on_hand(warehouse="main"):
    rows = Stock.objects.filter(warehouse__code=warehouse)
    return dict(rows.values_list("variant__sku", "on_hand"))


def amounts(currency="EUR"):
    prices = Price.objects.filter(currency=currency).order_by("variant__position")
    return list(prices.values_list("amount", flat=True))


def variants_of(handle):
    return list(Variant.objects.filter(product__slug=handle).order_by("position"))


# The three generations of headers.


def test_import_reads_a_file_of_2017():
    make_warehouse()

    report, heard = run(FIXTURES / "shopify_2017.csv", warehouse_code="main")

    product = Product.objects.get(slug="linen-shirt")
    assert product.description_html == "<p>Woven in <b>Portugal</b>.</p>"
    assert product.vendor.name == "Ribeira"
    assert (product.product_type, product.tags) == ("Shirts", ["linen", "summer"])
    assert (product.seo_title, product.status) == ("Linen shirt", "active")
    assert product.published_at == NOW
    options = product.options.order_by("position").values_list("name", "values")
    assert list(options) == [("Color", ["White", "Blue"]), ("Size", ["S", "M"])]
    first, second, third = variants_of("linen-shirt")
    assert (first.sku, first.barcode, first.weight_grams) == (
        "0071",
        "4006381333931",
        220,
    )
    assert [v.option_values for v in (first, second, third)] == [
        ["White", "S"],
        ["White", "M"],
        ["Blue", "M"],
    ]
    assert [v.image.url for v in (first, second, third)] == [
        "https://images.example/linen-white.jpg",
        "https://images.example/linen-white.jpg",
        "https://images.example/linen-blue.jpg",
    ]
    price = first.prices.get()
    assert (price.amount, price.compare_at_amount, price.currency) == (
        5900,
        7500,
        "EUR",
    )
    images = product.images.order_by("position").values_list("url", "alt", "position")
    assert list(images) == [
        ("https://images.example/linen-white.jpg", "White shirt", 1),
        ("https://images.example/linen-blue.jpg", "Blue shirt", 2),
    ]
    assert Product.objects.get(slug="wool-socks").status == "draft"
    assert heard.errors == []
    assert heard.warnings == [
        (3, "Variant Inventory Qty", "-2", "negative_stock"),
        (7, "Variant SKU", "LS-W-M", "duplicate_sku"),
    ]
    assert on_hand() == {"0071": 4, "LS-W-M": 0, "LS-B-M": 7, "": 12}
    assert report.counts["stock_counted"] == 4


def test_import_reads_a_file_of_2021():
    make_warehouse()

    report, heard = run(FIXTURES / "shopify_2021.csv", currency="USD")

    statuses = dict(Product.objects.values_list("slug", "status"))
    assert statuses == {
        "oak-table": "active",
        "ash-chair": "draft",
        "pine-shelf": "archived",
    }
    table = Product.objects.get(slug="oak-table")
    images = table.images.order_by("position").values_list("url", flat=True)
    assert [url[-9:] for url in images] == ["oak-2.jpg", "oak-1.jpg"]
    (variant,) = variants_of("oak-table")
    assert (variant.option_values, variant.weight_grams) == ([], 41000)
    assert [v.sku for v in variants_of("ash-chair")] == ["ASH-N", "ASH-B"]
    assert heard.issues == []
    assert "Price / International" in report.ignored_columns
    assert Price.objects.filter(currency="USD").count() == 4
    assert ProductCard.objects.count() == 1


def test_import_reads_a_file_of_2024():
    make_warehouse()

    report, heard = run(FIXTURES / "shopify_2024.csv")

    product = Product.objects.get(slug="enamel-mug")
    assert product.title == "Enamel Mug “Größe M”"
    assert product.tags == ["enamel", "camping"]
    assert [v.barcode for v in variants_of("enamel-mug")] == ["0042", ""]
    assert amounts() == [1490, 4900, 1490]
    # Reduced from nothing means not reduced.
    assert not Price.objects.exclude(compare_at_amount=None).exists()
    assert heard.issues == []
    assert report.layout == "shopify 2024"
    assert on_hand() == {"MUG-RED": 40, "MUG-BLUE": 35, "": 5}


# Products, variants, images.


def test_a_blank_handle_continues_the_product_above():
    rows = [
        shirt("Red", Title="Shirt"),
        shirt("Blue", handle=""),
        mug(),
        {"Handle": "", "Image Src": "https://x.example/mug.jpg"},
    ]

    run(as_csv(*rows))

    assert [v.option_values for v in variants_of("shirt")] == [["Red"], ["Blue"]]
    assert Image.objects.get().product.slug == "mug"


def test_a_blank_handle_above_which_there_is_nothing_is_refused():
    _, heard = run(as_csv(shirt("Red", handle=""), mug()))

    assert heard.errors == [(2, "Handle", "", "no_product_above")]
    assert Product.objects.get().slug == "mug"


def test_a_title_without_a_handle_belongs_to_no_product_above():
    rows = [mug("a"), mug("", title="Other"), shirt("Red", handle=""), mug("b")]

    _, heard = run(as_csv(*rows))

    assert [(line, code) for line, _, _, code in heard.errors] == [
        (3, "no_product_above"),
        (4, "no_product_above"),
    ]
    assert set(Product.objects.values_list("slug", flat=True)) == {"a", "b"}


def test_a_row_with_a_price_or_an_option_is_a_variant():
    rows = [
        shirt("Red", Title="Shirt"),
        shirt("Blue", price=""),
        {"Handle": "shirt", "Image Src": "https://x.example/1.jpg"},
        {"Handle": "plain", "Title": "Plain", "Variant Price": "5"},
        {"Handle": "bare", "Title": "Bare"},
    ]

    _, heard = run(as_csv(*rows))

    assert [v.option_values for v in variants_of("shirt")] == [["Red"], ["Blue"]]
    assert [v.option_values for v in variants_of("plain")] == [[]]
    assert variants_of("bare") == []
    assert Price.objects.count() == 2
    assert heard.warnings == [(3, "Variant Price", "", "price_missing")]


def test_images_are_the_distinct_sources_of_a_product():
    url = "https://x.example/1.jpg"
    rows = [
        shirt("Red", Title="Shirt", **{"Image Src": url}),
        shirt("Blue", **{"Image Src": url}),
        mug(**{"Image Src": "//x.example/1.jpg"}),
    ]

    run(as_csv(*rows))

    assert sorted(Image.objects.values_list("product__slug", "url")) == [
        ("mug", url),
        ("shirt", url),
    ]


def test_a_variant_image_that_is_listed_nowhere_becomes_an_image():
    run(as_csv(mug(**{"Variant Image": "https://x.example/9.jpg"})))

    assert Variant.objects.get().image == Image.objects.get()


@pytest.mark.parametrize("name", ["Title", "title", ""])
def test_default_title_means_that_there_are_no_options(name):
    run(as_csv(mug(**{"Option1 Name": name})))

    product = Product.objects.get()
    assert product.options.count() == 0
    assert product.variants.get().option_values == []


def test_an_option_called_title_may_have_other_values():
    run(as_csv(mug(**{"Option1 Value": "15mm Wrench"})))

    assert Product.objects.get().options.get().values == ["15mm Wrench"]


def test_options_without_a_name_get_one():
    row = {"Title": "Shirt", "Option2 Value": "M", "Option1 Name": ""}

    _, heard = run(as_csv(shirt("Red", **row)))

    names = Product.objects.get().options.values_list("name", flat=True)
    assert set(names) == {"Option 1", "Option 2"}
    assert {code for *_, code in heard.warnings} == {"option_renamed"}


def test_a_row_that_chooses_incompletely_is_refused():
    sizes = {"Option2 Name": "Size", "Option2 Value": "M"}

    _, heard = run(as_csv(shirt("Red", Title="Shirt", **sizes), shirt("Blue")))

    assert heard.errors == [(3, "Option2 Value", "", "option_value_missing")]
    assert len(variants_of("shirt")) == 1


def test_a_repeated_choice_is_refused():
    _, heard = run(as_csv(shirt("Red", Title="Shirt"), shirt("Red", price="1")))

    assert heard.errors == [(3, "Option1 Value", "Red", "variant_repeated")]
    assert amounts() == [2000]


def test_a_handle_that_no_address_could_hold_is_made_fit():
    _, heard = run(as_csv(mug("Blue Mug/2?")))

    assert Product.objects.get().slug == "Blue-Mug-2"
    assert heard.warnings == [(2, "Handle", "Blue Mug/2?", "handle_changed")]


def test_html_is_cleaned():
    text = (
        '<p onclick="x()">Hi<script>alert(1)</script><a href="javascript:x">y</a></p>'
    )

    run(as_csv(mug(**{"Body (HTML)": text})))

    html = Product.objects.get().description_html
    assert "script" not in html
    assert "onclick" not in html
    assert "Hi" in html


def test_category_paths_grow_the_tree():
    clothing = make_category("Clothing")
    rows = [
        mug("a", **{"Product Category": "Clothing > Shirts"}),
        mug("b", **{"Product Category": "Home > Shirts > Old"}),
        mug("c", **{"Product Category": " Clothing>Shirts "}),
    ]

    run(as_csv(*rows))

    shirts = Category.objects.get(name="Shirts", parent=clothing)
    assert set(shirts.products.values_list("slug", flat=True)) == {"a", "c"}
    assert Category.objects.count() == 5
    assert Category.objects.get(products__slug="b").parent.slug == "home-shirts"
    assert ProductCard.objects.get(slug="a").category_slugs == ["clothing", "shirts"]


def test_categories_that_staff_chose_are_kept():
    product = make_product(slug="mug", categories=[make_category("Gifts")])

    run(as_csv(mug(**{"Product Category": "Kitchen"})))

    names = product.categories.values_list("name", flat=True)
    assert set(names) == {"Gifts", "Kitchen"}


def test_vendors_that_differ_in_case_only_are_one():
    run(as_csv(mug("a", Vendor="Acme Inc."), mug("b", Vendor="ACME, Inc")))

    assert Vendor.objects.get().name in {"Acme Inc.", "ACME, Inc"}


def test_vendors_in_other_scripts_are_told_apart():
    run(as_csv(mug("a", Vendor="Вино 2020"), mug("b", Vendor="Пиво 2020")))

    assert set(Vendor.objects.values_list("name", flat=True)) == {
        "Вино 2020",
        "Пиво 2020",
    }


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ({"Status": "Active", "Published": "TRUE"}, "active"),
        ({"Status": "draft", "Published": "true"}, "draft"),
        ({"Status": "archived", "Published": ""}, "archived"),
        ({"Status": "", "Published": "false"}, "draft"),
        ({"Status": "", "Published": "true"}, "active"),
        ({"Status": "", "Published": ""}, "active"),
        # Hidden from the online shop on purpose.
        ({"Status": "active", "Published": "false"}, "draft"),
        ({"Status": "unlisted", "Published": "true"}, "draft"),
    ],
)
def test_status_comes_from_its_column_else_from_published(cells, status):
    run(as_csv(mug(**cells)))

    assert Product.objects.get().status == status
    assert ProductCard.objects.exists() == (status == "active")


# Cells.


def test_cells_are_read_without_the_blanks_around_them():
    row = {name: f"  {cell} \t" for name, cell in mug(Tags=" a ,, b ").items()}

    run(as_csv(row | {"Variant SKU": "  ' M-1 "}))

    product = Product.objects.get(slug="mug")
    assert (product.title, product.tags) == ("Mug", ["a", "b"])
    assert product.variants.get().sku == "M-1"
    assert amounts() == [950]


def test_skus_lose_the_apostrophe_of_spreadsheets():
    run(as_csv(mug(**{"Variant SKU": "'0042", "Variant Barcode": "'012"})))

    variant = Variant.objects.get()
    assert (variant.sku, variant.barcode) == ("0042", "012")


@pytest.mark.parametrize(
    ("currency", "text", "amount"),
    [
        ("EUR", "25", 2500),
        ("EUR", "19.9900", 1999),
        ("EUR", ".5", 50),
        ("EUR", "0.00", 0),
        ("VND", "14000000", 14_000_000),
        ("VND", "14000000.00", 14_000_000),
        ("KWD", "1.5", 1500),
        ("KWD", "1.234", 1234),
    ],
)
def test_prices_are_in_the_currency_s_own_decimals(currency, text, amount):
    run(as_csv(mug(price=text)), currency=currency)

    assert amounts(currency) == [amount]


@pytest.mark.parametrize(
    ("currency", "text"),
    [
        ("EUR", "abc"),
        ("EUR", "19,99"),
        ("EUR", "1,299.00"),
        ("EUR", "$5"),
        ("EUR", "-1"),
        ("EUR", "19.999"),
        ("EUR", "1e3"),
        ("EUR", "٣"),
        ("EUR", "9" * 20),
    ],
)
def test_an_unreadable_price_refuses_its_row(currency, text):
    rows = [shirt("Red", "20", Title="Shirt"), shirt("Blue", text), mug(price="9")]

    report, heard = run(as_csv(*rows), currency=currency)

    assert heard.errors == [(3, "Variant Price", text, "unreadable_price")]
    assert [v.option_values for v in variants_of("shirt")] == [["Red"]]
    assert Product.objects.filter(slug="mug").exists()
    assert report.counts["rows_refused"] == 1


def test_an_unreadable_price_in_the_first_row_leaves_the_other_variants():
    _, heard = run(as_csv(shirt("Red", "x", Title="Shirt"), shirt("Blue")))

    assert [line for line, *_ in heard.errors] == [2]
    assert Product.objects.get().title == "Shirt"
    assert [v.option_values for v in variants_of("shirt")] == [["Blue"]]


def test_a_product_whose_every_variant_is_refused_is_not_made():
    image = {"Handle": "mug", "Image Src": "https://x.example/1.jpg"}

    report, heard = run(as_csv(mug(price="x"), image, mug("b")))

    assert [(line, code) for line, _, _, code in heard.errors] == [
        (2, "unreadable_price"),
        (3, "product_refused"),
    ]
    assert Product.objects.get().slug == "b"
    assert report.counts["products_refused"] == 1


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("Variant Inventory Qty", "many", "unreadable_quantity"),
        ("Variant Inventory Qty", "1.5", "unreadable_quantity"),
        ("Variant Inventory Qty", "9999999999", "unreadable_quantity"),
        ("Variant Grams", "heavy", "unreadable_weight"),
        ("Variant Grams", "-5", "unreadable_weight"),
        ("Variant Compare At Price", "TRUE", "unreadable_price"),
        ("Image Src", "cat.jpg", "unreadable_address"),
        ("Image Src", "javascript:alert(1)", "unreadable_address"),
        ("Image Position", "first", "unreadable_position"),
        ("Status", "live", "unreadable_status"),
        ("Published", "perhaps", "unreadable_flag"),
        ("Variant Requires Shipping", "manual", "unreadable_flag"),
        ("Cost per item", "TRUE", "unreadable_number"),
        ("Variant Inventory Policy", "shopify", "unreadable_flag"),
        ("Variant SKU", "x" * 256, "too_long"),
        ("Vendor", "a\x00b", "unreadable_text"),
    ],
)
def test_a_cell_that_is_no_value_of_its_column_refuses_the_row(column, value, code):
    _, heard = run(as_csv(mug(**{column: value}), mug("b")))

    ((line, found_column, _, found_code),) = heard.errors
    assert (line, found_column, found_code) == (2, column, code)
    assert Product.objects.get().slug == "b"


def test_two_such_cells_mean_that_the_row_has_slipped():
    row = {"Variant Inventory Qty": "deny", "Variant Inventory Policy": "manual"}

    _, heard = run(as_csv(mug(**row), mug("b")))

    assert heard.errors == [
        (2, "Variant Inventory Qty", "deny", "shifted_cells"),
    ]


@pytest.mark.parametrize("damage", [("Mug,", "Mug,,,"), ("Mug,", "")])
def test_a_row_of_another_width_is_refused_with_what_continues_it(damage):
    rows = [mug("a"), mug("b"), shirt("Red", handle=""), mug("c")]
    content = as_csv(*rows).replace(f"b,{damage[0]}", f"b,{damage[1]}", 1)

    report, heard = run(content)

    assert [line for line, *_ in heard.errors] == [3, 4]
    assert set(Product.objects.values_list("slug", flat=True)) == {"a", "c"}
    assert (report.counts["rows_read"], report.counts["rows_refused"]) == (4, 2)


def test_a_damaged_continuation_does_not_cut_off_the_rest():
    rows = [
        shirt("Red", Title="Shirt"),
        shirt("Blue", handle=""),
        shirt("Green", handle=""),
    ]
    content = as_csv(*rows).replace("Blue,", "Blue,,,", 1)

    _, heard = run(content)

    assert [line for line, *_ in heard.errors] == [3]
    assert [v.option_values for v in variants_of("shirt")] == [["Red"], ["Green"]]


def test_rows_without_a_product_or_a_title_are_refused():
    _, heard = run(as_csv(shirt("Red"), mug("b")))

    assert heard.errors == [(2, "Title", "shirt", "title_missing")]


def test_what_the_database_cannot_hold_is_refused_alone():
    letters = random.Random(1)  # noqa: S311 -- only to resist compression
    # Each within its length, together too much for the index of option values.
    values = {
        f"Option{n} {what}": "".join(
            chr(letters.randint(0x20000, 0x2A6DF)) for _ in range(size)
        )
        for n in (1, 2, 3)
        for what, size in (("Name", 5), ("Value", 255))
    }

    report, heard = run(as_csv(mug("a"), mug("b", **values), mug("c")))

    assert [(line, code) for line, _, _, code in heard.errors] == [(3, "not_storable")]
    assert set(Product.objects.values_list("slug", flat=True)) == {"a", "c"}
    assert report.counts["rows_refused"] == report.counts["products_refused"] == 1


def test_texts_that_are_too_long_are_cut_with_a_warning():
    _, heard = run(as_csv(mug(title="x" * 300)))

    assert Product.objects.get().title == "x" * 255
    assert [code for *_, code in heard.warnings] == ["text_cut"]


# The file.


def test_an_unknown_layout_refuses_the_file():
    report, heard = run("ID,Type,SKU,Name\n1,simple,X,Mug\n")

    assert heard.errors == [
        (
            1,
            "Handle or URL handle, Title, Variant Price or Price",
            "ID,Type,SKU,Name",
            "unknown_layout",
        )
    ]
    assert report.has_refusals
    assert not Product.objects.exists()


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", " , ,\n"])
def test_an_empty_file_is_unusable(content):
    with pytest.raises(UnusableFileError):
        run(content)


def test_unknown_columns_are_named_and_passed_over():
    _, heard = run(as_csv(mug(Shelf="7")))

    assert heard.warnings == [(1, "Shelf", "", "unknown_column")]
    assert Product.objects.exists()


def test_a_file_in_cp1252_is_read_with_a_warning():
    content = as_csv(mug(title="Größe"), mug("b", title="“Café”"))

    report, heard = run(content.encode("cp1252"))

    assert report.encoding == "cp1252"
    assert heard.warnings == [(2, "", "", "not_utf8")]
    assert set(Product.objects.values_list("title", flat=True)) == {"Größe", "“Café”"}


@pytest.mark.parametrize("prefix", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(prefix, end):
    content = as_csv(mug(Vendor="Ørsted"), mug("b")).replace("\n", end)

    report, heard = run(prefix + content)

    assert (report.counts["products_created"], heard.issues) == (2, [])


# Again.


def test_an_equal_file_changes_nothing():
    make_warehouse()
    for name in ("2017", "2021", "2024"):
        run(FIXTURES / f"shopify_{name}.csv")
    before, movements = snapshot(), Movement.objects.count()

    reports = [
        run(FIXTURES / f"shopify_{name}.csv", now=LATER)[0]
        for name in ("2017", "2021", "2024")
    ]

    assert snapshot() == before
    assert Movement.objects.count() == movements
    for report in reports:
        changed = [
            name
            for name, count in report.counts.items()
            if count and name.endswith(("_created", "_updated"))
        ]
        assert changed == []
    assert [r.counts["products_unchanged"] for r in reports] == [2, 3, 2]


def test_a_change_touches_what_changed_and_its_product():
    rows = [shirt("Red", Title="Shirt"), shirt("Blue"), mug()]
    run(as_csv(*rows))

    report, _ = run(as_csv(rows[0], shirt("Blue", price="21"), mug()), now=LATER)

    assert amounts() == [2000, 950, 2100]
    product, other = Product.objects.order_by("-slug")
    assert (product.version, product.updated_at) == (2, LATER)
    assert (other.version, other.updated_at) == (1, NOW)
    assert set(Variant.objects.values_list("version", flat=True)) == {1}
    changed = Price.objects.get(amount=2100)
    assert (changed.version, changed.updated_at) == (2, LATER)
    assert report.counts["products_updated"] == report.counts["variants_updated"] == 1
    assert report.counts["variants_unchanged"] == 2
    assert ProductCard.objects.get(slug="shirt", is_default=True).max_amount == 2100


def test_products_absent_from_a_later_file_stay():
    run(as_csv(mug("a"), mug("b")))

    run(as_csv(mug("b", title="New")), now=LATER)

    assert dict(Product.objects.values_list("slug", "title")) == {
        "a": "Mug",
        "b": "New",
    }


def test_variants_and_images_absent_from_a_later_file_stay():
    image = {"Image Src": "https://x.example/1.jpg"}
    run(as_csv(shirt("Red", Title="Shirt", **image), shirt("Blue")))

    report, _ = run(as_csv(shirt("Blue", Title="Shirt")), now=LATER)

    assert {v.option_values[0] for v in variants_of("shirt")} == {"Red", "Blue"}
    assert set(Product.objects.get().options.get().values) == {"Red", "Blue"}
    assert Image.objects.count() == 1
    assert report.counts["variants_created"] == 0


def test_a_column_that_is_absent_leaves_its_field_alone():
    run(as_csv(mug(Vendor="Acme", **{"Variant SKU": "M-1", "Variant Grams": "5"})))

    few = ("Handle", "Title", "Variant Price")
    row = {"Handle": "mug", "Title": "Mug", "Variant Price": "9.50"}
    report, _ = run(as_csv(row, columns=few), now=LATER)

    assert report.counts["products_unchanged"] == 1
    assert Variant.objects.get().sku == "M-1"


def test_a_blank_cell_of_a_column_that_is_there_empties_its_field():
    row = {"Variant SKU": "M-1", "Variant Compare At Price": "12"}
    run(as_csv(mug(Vendor="Acme", Tags="a", **row)))

    run(as_csv(mug(**dict.fromkeys(row, ""))), now=LATER)

    product = Product.objects.get()
    assert (product.vendor, product.tags) == (None, [])
    assert Variant.objects.get().sku == ""
    assert Price.objects.get().compare_at_amount is None


def test_prices_of_other_currencies_stay():
    run(as_csv(mug()), currency="EUR")

    run(as_csv(mug(price="11")), currency="USD")

    assert (amounts("EUR"), amounts("USD")) == ([950], [1100])


def test_a_variant_is_found_by_its_sku_when_its_option_was_renamed():
    run(as_csv(shirt("Red", Title="Shirt", **{"Variant SKU": "S-1"})))
    variant = Variant.objects.get()

    run(as_csv(shirt("Crimson", Title="Shirt", **{"Variant SKU": "S-1"})), now=LATER)

    assert Variant.objects.get().pk == variant.pk
    assert Variant.objects.get().option_values == ["Crimson"]
    assert Product.objects.get().options.get().values == ["Crimson"]


def test_a_variant_is_found_by_its_options_when_its_sku_changed():
    run(as_csv(shirt("Red", Title="Shirt", **{"Variant SKU": "S-1"})))
    variant = Variant.objects.get()

    run(as_csv(shirt("Red", Title="Shirt", **{"Variant SKU": "S-9"})), now=LATER)

    assert (Variant.objects.get().pk, Variant.objects.get().sku) == (variant.pk, "S-9")


def colours(**skus):
    """Return rows of one shirt, a colour and its SKU each."""
    heads = [{"Title": "Shirt"}] + [{}] * (len(skus) - 1)
    return [
        shirt(color, **head, **{"Variant SKU": sku})
        for (color, sku), head in zip(skus.items(), heads, strict=True)
    ]


def test_variants_may_trade_their_options():
    run(as_csv(*colours(Red="S-1", Blue="S-2")))
    before = {v.sku: v.pk for v in Variant.objects.all()}

    _, heard = run(as_csv(*colours(Blue="S-1", Red="S-2")), now=LATER)

    assert {v.sku: v.pk for v in Variant.objects.all()} == before
    assert Variant.objects.get(sku="S-1").option_values == ["Blue"]
    assert heard.issues == []


def test_variants_may_pass_their_options_on():
    run(as_csv(*colours(Red="S-1", Blue="S-2")))
    before = {v.sku: v.pk for v in Variant.objects.all()}

    run(as_csv(*colours(Blue="S-1", Green="S-2")), now=LATER)

    assert {v.sku: v.pk for v in Variant.objects.all()} == before
    assert {v.sku: v.option_values for v in Variant.objects.all()} == {
        "S-1": ["Blue"],
        "S-2": ["Green"],
    }


def test_a_sku_cannot_take_the_options_of_a_variant_that_stays():
    run(as_csv(*colours(Red="S-1", Blue="S-2")))
    blue = Variant.objects.get(sku="S-2").pk

    _, heard = run(as_csv(*colours(Blue="S-1")), now=LATER)

    variant = Variant.objects.get(pk=blue)
    assert (variant.sku, variant.external_sku) == ("", "S-1")
    assert [code for *_, code in heard.warnings] == ["duplicate_sku"]
    assert Variant.objects.get(sku="S-1").option_values == ["Red"]


def test_options_may_change_their_order():
    sizes = {"Option2 Name": "Size", "Option2 Value": "M"}
    run(as_csv(shirt("Red", Title="Shirt", **sizes), shirt("Blue", **sizes)))
    before = set(Variant.objects.values_list("pk", flat=True))

    turned = {
        "Handle": "shirt",
        "Title": "Shirt",
        "Option1 Name": "Size",
        "Option1 Value": "M",
        "Option2 Name": "Color",
        "Option2 Value": "Red",
        "Variant Price": "20",
    }
    run(as_csv(turned), now=LATER)

    assert set(Variant.objects.values_list("pk", flat=True)) == before
    values = sorted(Variant.objects.values_list("option_values", flat=True))
    assert values == [["M", "Blue"], ["M", "Red"]]


def test_the_only_variant_becomes_the_first_of_several():
    run(as_csv(mug("shirt", title="Shirt")))
    variant = Variant.objects.get()

    run(as_csv(shirt("Red", Title="Shirt"), shirt("Blue")), now=LATER)

    assert Variant.objects.get(option_values=["Red"]).pk == variant.pk
    assert Variant.objects.count() == 2


def test_options_that_do_not_fit_the_variants_that_stay_are_refused():
    run(as_csv(shirt("Red", Title="Shirt"), shirt("Blue")))
    before = snapshot()
    sizes = {"Option2 Name": "Size", "Option2 Value": "M"}

    report, heard = run(as_csv(shirt("Red", Title="Shirt", **sizes)), now=LATER)

    assert [code for *_, code in heard.errors] == ["options_changed"]
    assert snapshot() == before
    assert report.counts["products_refused"] == 1


def test_a_product_that_was_drafted_keeps_the_day_it_was_published():
    run(as_csv(mug(Published="true")))
    run(as_csv(mug(Published="false")), now=LATER)
    assert not ProductCard.objects.exists()

    run(as_csv(mug(Published="true")), now=datetime(2026, 5, 1, tzinfo=UTC))

    assert Product.objects.get().published_at == NOW
    assert ProductCard.objects.exists()


def test_others_hear_of_published_products_and_of_other_prices():
    run(as_csv(mug("a"), mug("b", Published="false")))
    published = OutboxEvent.objects.get()
    assert published.name == "catalog.product_published"
    assert published.aggregate_id == str(Product.objects.get(slug="a").pk)

    run(as_csv(mug("a", price="8"), mug("b", Published="false")), now=LATER)

    changed = OutboxEvent.objects.exclude(pk=published.pk).get()
    assert changed.name == "catalog.price_changed"
    assert (changed.payload["amount"], changed.payload["previous_amount"]) == (800, 950)


# Duplicate SKUs.


def test_variants_without_a_sku_are_imported():
    run(as_csv(mug("a"), mug("b")))

    assert list(Variant.objects.values_list("sku", flat=True)) == ["", ""]


def test_duplicate_skus_keep_their_text_as_external():
    make_product(variants=[{"sku": "TAKEN"}])
    rows = [
        mug("a", **{"Variant SKU": "ONE"}),
        mug("b", **{"Variant SKU": "ONE"}),
        mug("c", **{"Variant SKU": "TAKEN"}),
    ]

    report, heard = run(as_csv(*rows))

    found = Variant.objects.filter(product__slug__in="abc")
    assert sorted(found.values_list("product__slug", "sku", "external_sku")) == [
        ("a", "ONE", ""),
        ("b", "", "ONE"),
        ("c", "", "TAKEN"),
    ]
    assert heard.warnings == [
        (3, "Variant SKU", "ONE", "duplicate_sku"),
        (4, "Variant SKU", "TAKEN", "duplicate_sku"),
    ]
    assert not report.has_refusals


def test_a_sku_stays_with_its_owner_whatever_the_order_of_the_file():
    run(as_csv(mug("a", **{"Variant SKU": "ONE"})))

    run(as_csv(mug("b", **{"Variant SKU": "ONE"}), mug("a", **{"Variant SKU": "ONE"})))

    assert Variant.objects.get(sku="ONE").product.slug == "a"


def test_a_sku_that_its_owner_gives_up_is_free():
    run(as_csv(mug("a", **{"Variant SKU": "ONE"}), mug("b")))

    rows = [mug("a", **{"Variant SKU": "TWO"}), mug("b", **{"Variant SKU": "ONE"})]
    _, heard = run(as_csv(*rows), now=LATER)

    assert sorted(Variant.objects.values_list("product__slug", "sku")) == [
        ("a", "TWO"),
        ("b", "ONE"),
    ]
    assert heard.issues == []


# Products that come back.


def test_a_product_that_comes_back_is_merged_with_a_warning(monkeypatch):
    rows = [shirt("Red", Title="Shirt"), mug(), shirt("Blue"), mug("b")]

    report, heard = run(as_csv(*rows))

    assert [v.option_values for v in variants_of("shirt")] == [["Red"], ["Blue"]]
    assert [v.position for v in variants_of("shirt")] == [1, 2]
    assert heard.warnings == [(4, "Handle", "shirt", "product_comes_back")]
    assert report.counts["products_created"] == 3
    assert report.counts["products_updated"] == 0


def test_a_product_that_comes_back_unchanged_counts_once():
    rows = [shirt("Red", Title="Shirt"), mug(), shirt("Blue")]
    run(as_csv(*rows))
    before = snapshot()

    report, _ = run(as_csv(*rows), now=LATER)

    assert snapshot() == before
    assert report.counts["products_unchanged"] == 2


def test_batches_do_not_show_in_the_result(monkeypatch):
    rows = [mug(f"mug-{n}", **{"Variant SKU": f"M-{n % 4}"}) for n in range(7)]
    listener = Listener()
    monkeypatch.setattr("catalog.imports._batches.MAX_PRODUCTS", 2)

    report, _ = run(as_csv(*rows), listener=listener)

    # One more for what is said of the file.
    assert listener.batches == 5
    assert report.counts["products_created"] == 7
    assert report.warnings == {"duplicate_sku": 3}


# Stock.


def test_stock_is_counted_in_the_warehouse():
    make_warehouse()
    make_warehouse("north")
    rows = [mug("a", **{"Variant SKU": "A", "Variant Inventory Qty": "5"})]

    report, _ = run(as_csv(*rows), warehouse_code="north")

    assert (on_hand("north"), on_hand("main")) == ({"A": 5}, {})
    assert report.warehouse_code == "north"
    assert Variant.objects.get().in_stock
    assert Movement.objects.get().reason == "Import of products.csv"


def test_stock_goes_to_the_first_warehouse_where_none_is_named():
    make_warehouse("far", priority=20)
    make_warehouse("near", priority=10)

    report, _ = run(as_csv(mug(**{"Variant Inventory Qty": "5"})))

    assert report.warehouse_code == "near"


def test_an_unknown_warehouse_stops_the_import_before_it_begins():
    with pytest.raises(UnknownWarehouseError):
        run(as_csv(mug()), warehouse_code="nowhere")

    assert not Product.objects.exists()


def test_without_any_warehouse_stock_is_left_out_with_one_warning():
    row = {"Variant Inventory Qty": "5"}

    report, heard = run(as_csv(mug("a", **row), mug("b", **row)))

    assert heard.warnings == [(2, "Variant Inventory Qty", "", "no_warehouse")]
    assert report.counts["stock_counted"] == 0
    assert Product.objects.count() == 2


def test_without_a_stock_column_stock_is_untouched():
    product = make_product(slug="mug", variants=[{"sku": "M"}])
    make_stock(product.variants.get(), on_hand=7)

    run(as_csv(mug(price="1", **{"Variant SKU": "M"})))

    assert on_hand() == {"M": 7}


def test_a_blank_quantity_leaves_its_variant_s_stock_untouched():
    product = make_product(slug="mug", variants=[{"sku": "M"}])
    make_stock(product.variants.get(), on_hand=7)
    other = mug("b", **{"Variant SKU": "B", "Variant Inventory Qty": "2"})

    run(as_csv(mug(**{"Variant SKU": "M", "Variant Inventory Qty": ""}), other))

    assert on_hand() == {"M": 7, "B": 2}


def test_negative_stock_becomes_zero_with_a_warning():
    make_warehouse()

    _, heard = run(as_csv(mug(**{"Variant SKU": "M", "Variant Inventory Qty": "-3"})))

    assert on_hand() == {"M": 0}
    assert heard.warnings == [(2, "Variant Inventory Qty", "-3", "negative_stock")]


def test_stock_never_falls_below_what_buyers_hold():
    product = make_product(slug="mug", variants=[{"sku": "M"}])
    stock = make_stock(product.variants.get(), on_hand=7)
    reserve({stock: 4}, expires_at=datetime(2030, 1, 1, tzinfo=UTC))

    _, heard = run(as_csv(mug(**{"Variant SKU": "M", "Variant Inventory Qty": "1"})))

    assert on_hand() == {"M": 4}
    assert heard.warnings == [(2, "Variant Inventory Qty", "1", "stock_held")]


def test_where_nobody_keeps_stock_it_is_left_out(monkeypatch):
    monkeypatch.setattr(_stock_writer, "_registered", [])

    report, _ = run(as_csv(mug(**{"Variant Inventory Qty": "5"})))

    assert report.warnings == {"no_warehouse": 1}


# Dry runs.


def doubtful_rows():
    """Rows that meet each other again in every way a dry run has to foresee."""
    sku = "Variant SKU"
    return [
        shirt("Red", Title="Shirt", **{sku: "S-1"}),
        mug("a", **{sku: "S-1", "Vendor": "New", "Variant Inventory Qty": "3"}),
        shirt("Blue", **{sku: "S-2"}),
        mug("old", **{sku: "MOVED"}),
        mug("b", **{sku: "OLD"}),
        mug("c", price="x"),
        shirt("Red", **{sku: "S-1"}),
        mug("b", title="Again", **{sku: "OLD", "Product Category": "A > B"}),
        mug("d", **{sku: "OLD"}),
    ]


def test_a_dry_run_reports_what_the_import_does_and_writes_nothing(monkeypatch):
    monkeypatch.setattr("catalog.imports._batches.MAX_PRODUCTS", 2)
    make_warehouse()
    make_product(slug="old", variants=[{"sku": "OLD"}])
    before = snapshot()

    foreseen, foreseen_issues = run(as_csv(*doubtful_rows()), is_dry_run=True)

    assert snapshot() == before
    assert not Vendor.objects.filter(name="New").exists()
    assert not Category.objects.exists()
    assert not Movement.objects.exists()
    done, done_issues = run(as_csv(*doubtful_rows()))
    assert foreseen.as_json() == done.as_json() | {"is_dry_run": True}
    assert foreseen_issues.issues == done_issues.issues


def test_many_products_cost_as_many_statements_as_few(django_assert_max_num_queries):
    few = as_csv(*(mug(f"a-{n}", Vendor=f"V{n}") for n in range(2)))
    many = as_csv(*(mug(f"b-{n}", Vendor=f"W{n}") for n in range(150)))

    with django_assert_max_num_queries(100) as first:
        run(few)
    with django_assert_max_num_queries(100) as second:
        run(many)

    assert len(first) == len(second)
