import random

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from catalog.constants import MAX_CATEGORY_DEPTH, MAX_OPTIONS
from catalog.models import (
    Attribute,
    AttributeValue,
    Category,
    Price,
    Product,
    ProductCard,
    Variant,
    Vendor,
)
from catalog.services._publishing import TRANSITIONS
from catalog.tests.factories import (
    make_attribute,
    make_category,
    make_collection,
    make_product,
    make_vendor,
)
from core.models import AuditEntry, OutboxEvent
from inventory.tests.factories import make_stock

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture
def manager(api_as, staff) -> APIClient:
    return api_as(staff("catalog_manager"))


def refused(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def pointers(response) -> list[tuple[str, str]]:
    return [(e["pointer"], e["code"]) for e in response.json()["errors"]]


def card_of(api, product: Product) -> dict:
    cards = orjson.loads(api.get(f"{API}/products").content)["results"]
    return next(card for card in cards if card["id"] == str(product.pk))


WRITES = [
    ("post", "/products"),
    ("patch", "/products/thing"),
    ("delete", "/products/thing"),
    ("post", "/products/thing/publish"),
    ("post", "/products/thing/archive"),
    ("post", "/products/thing/variants"),
    ("post", "/products/thing/images"),
    ("patch", "/variants/{id}"),
    ("delete", "/variants/{id}"),
    ("post", "/variants/{id}/prices"),
    ("patch", "/variants/{id}/prices/EUR"),
    ("delete", "/variants/{id}/prices/EUR"),
    ("patch", "/images/{id}"),
    ("delete", "/images/{id}"),
    *(
        (method, path)
        for name in ("categories", "collections", "vendors", "attributes")
        for method, path in [
            ("post", f"/{name}"),
            ("patch", f"/{name}/x"),
            ("delete", f"/{name}/x"),
        ]
    ),
    ("post", "/attributes/x/values"),
    ("patch", "/attributes/x/values/y"),
    ("delete", "/attributes/x/values/y"),
]


@pytest.fixture
def outsiders(api, api_as, customer, staff) -> list[tuple[APIClient, int]]:
    """Those who may not write, and what they are told."""
    return [(api, 401), (api_as(customer), 403), (api_as(staff("support")), 403)]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_writes_are_for_catalogue_managers(outsiders, manager, method, path):
    url = API + path.replace("{id}", "01a1fd13-43ba-70a9-97c6-49de0351b74e")

    def status_for(client: APIClient) -> int:
        return getattr(client, method)(url, {}, format="json").status_code

    for client, status in outsiders:
        assert status_for(client) == status
    assert status_for(manager) in {404, 422, 428}


ENTRIES = [
    ("vendors", {"name": "Acme"}, {"name": "Best"}, "acme"),
    ("collections", {"title": "Summer"}, {"title": "Winter"}, "summer"),
    ("categories", {"name": "Cups"}, {"name": "Mugs"}, "cups"),
    ("attributes", {"code": "color", "name": "Color"}, {"unit": "cm"}, "color"),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry[0] for entry in ENTRIES])
def test_entry_lives_under_its_version(api, manager, entry):
    name, fields, changes, key = entry
    made = manager.post(f"{API}/{name}", fields, format="json")
    url = made.headers["Location"]
    read = api.get(url)
    changed = manager.patch(
        url, changes, format="json", headers={"If-Match": read.headers["ETag"]}
    )
    stale = manager.patch(
        url, changes, format="json", headers={"If-Match": read.headers["ETag"]}
    )
    unconditional = manager.delete(url)
    deleted = manager.delete(url, headers={"If-Match": changed.headers["ETag"]})

    assert (made.status_code, url) == (201, f"{API}/{name}/{key}")
    assert read.json() == made.json()
    assert made.json() | changes == changed.json()
    assert refused(stale) == (412, "stale_version")
    assert stale.headers["ETag"] == '"2"'
    assert refused(unconditional) == (428, "precondition_required")
    assert deleted.status_code == 204
    assert api.get(url).status_code == 404
    assert [
        entry.action.split("_")[-1] for entry in AuditEntry.objects.order_by("pk")
    ] == [
        "created",
        "changed",
        "deleted",
    ]


@pytest.mark.parametrize(("name", "fields"), [entry[:2] for entry in ENTRIES])
def test_entry_refuses_what_it_does_not_know(manager, name, fields):
    unknown = manager.post(f"{API}/{name}", fields | {"colour": 1}, format="json")
    empty = manager.post(f"{API}/{name}", {}, format="json")

    assert pointers(unknown) == [("#/colour", "unknown_field")]
    assert refused(empty) == (422, "validation_error")


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("vendors", {"name": "A", "slug": "same"}, "slug_taken"),
        ("collections", {"title": "A", "slug": "same"}, "slug_taken"),
        ("categories", {"name": "A", "slug": "same"}, "slug_taken"),
        ("attributes", {"name": "A", "code": "same"}, "code_taken"),
        ("products", {"title": "A", "slug": "same"}, "slug_taken"),
    ],
)
def test_entry_keeps_its_key_to_itself(manager, name, fields, code):
    assert manager.post(f"{API}/{name}", fields, format="json").status_code == 201

    assert refused(manager.post(f"{API}/{name}", fields, format="json")) == (409, code)


def test_entry_gets_a_free_slug(manager):
    slugs = [
        manager.post(f"{API}/vendors", {"name": "Bürli & Co"}, format="json").json()[
            "slug"
        ]
        for _ in range(3)
    ]

    assert slugs == ["burli-co", "burli-co-2", "burli-co-3"]


def make_attribute_value(number: int) -> AttributeValue:
    return AttributeValue.objects.create(
        attribute=Attribute.objects.get(code="color"),
        code=f"value-{number}",
        label=f"Value {number}",
    )


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("vendors", lambda n: make_vendor(f"Vendor {n}")),
        ("collections", lambda n: make_collection(f"Collection {n}")),
        ("categories", lambda n: make_category(f"Category {n}")),
        ("attributes", lambda n: make_attribute(f"attribute-{n}")),
        ("attributes/color/values", make_attribute_value),
    ],
)
def test_entry_list_costs_the_same_queries_for_1_and_3_rows(api, name, make):
    if "values" in name:
        make_attribute("color")
    make(1)
    with CaptureQueriesContext(connection) as one:
        assert len(api.get(f"{API}/{name}").json()["results"]) == 1
    make(2)
    make(3)

    with CaptureQueriesContext(connection) as three:
        assert len(api.get(f"{API}/{name}").json()["results"]) == 3

    assert len(one) == len(three)


def test_attributes_are_searched_filtered_and_paged(api):
    make_attribute("color", values=["Red", "Blue"])
    make_attribute("length", type="number", is_filterable=False)
    make_attribute("motto", type="text")

    def codes(path: str) -> list[str]:
        return [row["code"] for row in api.get(API + path).json()["results"]]

    assert codes("/attributes?q=len") == ["length"]
    assert codes("/attributes?type=text") == ["motto"]
    assert codes("/attributes?is_filterable=false") == ["length"]
    assert codes("/attributes/color/values") == ["red", "blue"]
    assert codes("/attributes/color/values?q=blu") == ["blue"]
    assert refused(api.get(f"{API}/attributes?type=colour")) == (
        400,
        "invalid_parameter",
    )
    assert refused(api.get(f"{API}/attributes?kind=text")) == (400, "unknown_parameter")
    assert api.get(f"{API}/attributes/nothing/values").status_code == 404


def test_category_tree_nests_children(api):
    goods = make_category("Goods")
    make_category("Hats", parent=goods, position=2)
    make_category("Cups", parent=goods, position=1)

    (root,) = api.get(f"{API}/categories").json()["results"]

    assert root["slug"] == "goods"
    assert [child["slug"] for child in root["children"]] == ["cups", "hats"]
    assert root["children"][0]["children"] == []


def move(manager, category: Category, parent: Category | None):
    return manager.patch(
        f"{API}/categories/{category.slug}",
        {"parent_id": parent and str(parent.pk)},
        format="json",
        headers={"If-Match": f'"{category.version}"'},
    )


def test_category_cannot_stand_below_itself(manager):
    top = make_category("Top")
    middle = make_category("Middle", parent=top)
    bottom = make_category("Bottom", parent=middle)

    assert refused(move(manager, top, bottom)) == (409, "category_cycle")
    assert refused(move(manager, top, top)) == (409, "category_cycle")
    assert move(manager, bottom, top).status_code == 200
    assert move(manager, middle, None).status_code == 200


def test_category_tree_is_only_so_deep(manager):
    chain = [make_category("Level 1")]
    for level in range(2, MAX_CATEGORY_DEPTH + 1):
        chain.append(make_category(f"Level {level}", parent=chain[-1]))
    pair = make_category("Pair")
    make_category("Child", parent=pair)

    below = manager.post(
        f"{API}/categories",
        {"name": "X", "parent_id": str(chain[-1].pk)},
        format="json",
    )

    assert refused(below) == (422, "category_too_deep")
    assert refused(move(manager, pair, chain[-2])) == (422, "category_too_deep")
    assert move(manager, pair, chain[-3]).status_code == 200


def test_category_move_files_its_products_anew(api, manager):
    old, new = make_category("Old"), make_category("New")
    cups = make_category("Cups", parent=old)
    make_product(title="Cup", categories=[cups])

    move(manager, cups, new)

    def count(slug: str) -> int:
        return len(api.get(f"{API}/products?category={slug}").json()["results"])

    assert (count("old"), count("new"), count("cups")) == (0, 1, 1)


def test_category_with_children_stays(manager):
    goods = make_category("Goods")
    make_category("Cups", parent=goods)

    response = manager.delete(f"{API}/categories/goods", headers={"If-Match": '"1"'})

    assert refused(response) == (409, "in_use")


def test_vendor_rename_shows_on_cards_at_once(api, manager):
    product = make_product(vendor="Acme")

    manager.patch(
        f"{API}/vendors/acme",
        {"name": "Apex"},
        format="json",
        headers={"If-Match": '"1"'},
    )

    assert card_of(api, product)["vendor"] == "Apex"


def test_vendor_with_products_stays(manager):
    make_product(vendor="Acme")

    response = manager.delete(f"{API}/vendors/acme", headers={"If-Match": '"1"'})

    assert refused(response) == (409, "in_use")
    assert Vendor.objects.get().version == 1


def test_attribute_type_is_fixed_once_used(manager):
    make_attribute("color", values=["Red"])

    response = manager.patch(
        f"{API}/attributes/color",
        {"type": "text"},
        format="json",
        headers={"If-Match": '"1"'},
    )

    assert refused(response) == (409, "attribute_type_fixed")


def test_attribute_value_is_created_changed_and_found(api, manager):
    make_attribute("color", values=["Red"])
    make_product(title="Cup", attributes={"color": "red"})
    made = manager.post(
        f"{API}/attributes/color/values",
        {"code": "blue", "label": "Blue"},
        format="json",
    )

    manager.patch(
        f"{API}/attributes/color/values/red",
        {"code": "rot"},
        format="json",
        headers={"If-Match": '"1"'},
    )

    assert made.status_code == 201
    assert api.get(made.headers["Location"]).json()["label"] == "Blue"
    assert len(api.get(f"{API}/products?attribute.color=rot").json()["results"]) == 1
    assert len(api.get(f"{API}/products?attribute.color=red").json()["results"]) == 0


def new_product(**fields) -> dict:
    return {
        "title": "Blue Mug",
        "description_html": '<p onclick="x()">Good</p><script>alert(1)</script>',
        "tags": ["new", "new", "sale"],
        "options": [{"name": "Size"}, {"name": "Color"}],
        "variants": [
            {
                "sku": "MUG-S",
                "options": {"Color": "Blue", "Size": "S"},
                "weight_grams": 300,
                "prices": [
                    {
                        "price": {"amount": 1999, "currency": "EUR"},
                        "compare_at_price": {"amount": 2999, "currency": "EUR"},
                    },
                    {"price": {"amount": 2100, "currency": "USD"}},
                ],
            },
            {"sku": "MUG-M", "options": {"Size": "M", "Color": "Blue"}},
        ],
        "images": [{"url": "/a.png", "alt": "A"}, {"url": "https://example.com/b.png"}],
        "seo": {"title": "Mug"},
        **fields,
    }


def test_product_is_created_whole_as_a_draft(api, manager):
    vendor, cups, summer = (
        make_vendor("Acme"),
        make_category("Cups"),
        make_collection("Summer"),
    )
    make_attribute("material", values=["Clay"])
    make_attribute("height", type="number")

    response = manager.post(
        f"{API}/products",
        new_product(
            vendor_id=str(vendor.pk),
            category_ids=[str(cups.pk)],
            collection_ids=[str(summer.pk)],
            attributes=[
                {"code": "material", "value": "clay"},
                {"code": "height", "value": 9.5},
            ],
        ),
        format="json",
    )

    assert response.status_code == 201, response.content
    assert response.headers["Location"] == f"{API}/products/blue-mug"
    content = orjson.loads(response.content)
    assert content["status"] == "draft"
    assert content["description_html"] == "<p>Good</p>"
    assert content["vendor"] == "Acme"
    assert content["tags"] == ["new", "sale"]
    assert content["options"] == [
        {"name": "Size", "values": ["S", "M"]},
        {"name": "Color", "values": ["Blue"]},
    ]
    assert [v["options"] for v in content["variants"]] == [
        {"Size": "S", "Color": "Blue"},
        {"Size": "M", "Color": "Blue"},
    ]
    assert content["compare_at_price"] == {"amount": 2999, "currency": "EUR"}
    assert [i["url"] for i in content["images"]] == [
        "/a.png",
        "https://example.com/b.png",
    ]
    assert [(a["code"], a["value"]) for a in content["attributes"]] == [
        ("height", 9.5),
        ("material", "clay"),
    ]
    assert api.get(f"{API}/products/blue-mug").status_code == 404
    assert not ProductCard.objects.exists()


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"title": ""}, "validation_error", "#/title"),
        ({"title": None}, "validation_error", "#/title"),
        ({"slug": "a b"}, "validation_error", "#/slug"),
        (
            {"slug": "01a1fd13-43ba-70a9-97c6-49de0351b74e"},
            "validation_error",
            "#/slug",
        ),
        ({"tags": ["x"] * 251}, "validation_error", "#/tags"),
        (
            {"options": [{"name": "A"}] * 2, "variants": []},
            "validation_error",
            "#/options",
        ),
        (
            {"options": [{"name": n} for n in "ABCD"], "variants": []},
            "validation_error",
            "#/options",
        ),
        (
            {"images": [{"url": "javascript:alert(1)"}]},
            "validation_error",
            "#/images/0/url",
        ),
        ({"images": [{"url": "//evil.example"}]}, "validation_error", "#/images/0/url"),
        (
            {"variants": [{"prices": [{"price": {"amount": -1, "currency": "EUR"}}]}]},
            "validation_error",
            "#/variants/0/prices/0/price/amount",
        ),
        (
            {
                "options": [],
                "variants": [
                    {
                        "prices": [
                            {
                                "price": {"amount": 1, "currency": "EUR"},
                                "compare_at_price": {"amount": 2, "currency": "USD"},
                            }
                        ]
                    }
                ],
            },
            "validation_error",
            "#/variants/0/prices/0/compare_at_price",
        ),
        (
            {"category_ids": ["01a1fd13-43ba-70a9-97c6-49de0351b74e"]},
            "unknown_reference",
            "#/category_ids/0",
        ),
        (
            {"attributes": [{"code": "nothing", "value": 1}]},
            "unknown_reference",
            "#/attributes/0/code",
        ),
        (
            {"attributes": [{"code": "height", "value": "tall"}]},
            "attribute_value_mismatch",
            "#/attributes/0/value",
        ),
        (
            {"attributes": [{"code": "height", "value": 1e300}]},
            "attribute_value_mismatch",
            "#/attributes/0/value",
        ),
        (
            {"attributes": [{"code": "height", "value": True}]},
            "attribute_value_mismatch",
            "#/attributes/0/value",
        ),
    ],
)
def test_product_is_refused_with_the_place_of_the_mistake(
    manager, change, code, pointer
):
    make_attribute("height", type="number")

    response = manager.post(f"{API}/products", new_product(**change), format="json")

    assert refused(response) == (422, code)
    assert pointer in [place for place, _ in pointers(response)]
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("variants", "code"),
    [
        ([{"options": {"Size": "S"}}], (422, "options_mismatch")),
        ([{"options": {"Size": "S", "Colour": "Red"}}], (422, "options_mismatch")),
        ([{"options": {"Size": "S", "Color": "Red"}}] * 2, (409, "variant_exists")),
        (
            [
                {"sku": "A", "options": {"Size": "S", "Color": "Red"}},
                {"sku": "A", "options": {"Size": "M", "Color": "Red"}},
            ],
            (409, "sku_taken"),
        ),
        (
            [
                {
                    "options": {"Size": "S", "Color": "Red"},
                    "prices": [{"price": {"amount": 1, "currency": "EUR"}}] * 2,
                }
            ],
            (409, "price_exists"),
        ),
    ],
)
def test_product_leaves_nothing_when_a_variant_is_refused(manager, variants, code):
    response = manager.post(
        f"{API}/products", new_product(variants=variants), format="json"
    )

    assert refused(response) == code
    assert not Product.objects.exists()
    assert not OutboxEvent.objects.exists()


def test_product_change_shows_in_the_next_read(api, manager):
    product = make_product(slug="mug", tags=["old"])
    etag = api.get(f"{API}/products/mug").headers["ETag"]

    response = manager.patch(
        f"{API}/products/mug",
        {"title": "Better mug", "tags": ["new"], "seo": {"description": "D"}},
        format="json",
        headers={"If-Match": etag},
    )

    assert response.status_code == 200
    assert orjson.loads(response.content)["seo"] == {"title": "", "description": "D"}
    assert card_of(api, product)["title"] == "Better mug"
    assert api.get(f"{API}/products/mug").json()["tags"] == ["new"]
    assert api.get(f"{API}/products?tag=old").json()["results"] == []


def test_product_options_are_renamed_but_not_taken_from_variants(manager):
    make_product(slug="mug", variants=[{"options": {"Size": "S"}}])

    def change(options: list, version: int = 1):
        return manager.patch(
            f"{API}/products/mug",
            {"options": options},
            format="json",
            headers={"If-Match": f'"{version}"'},
        )

    assert refused(change([])) == (422, "options_mismatch")
    assert refused(change([{"name": "Size", "values": ["M"]}])) == (
        422,
        "options_mismatch",
    )
    assert refused(change([{"name": "A", "values": ["S"]}, {"name": "B"}])) == (
        422,
        "options_mismatch",
    )
    assert refused(change([{"values": ["S"]}])) == (422, "validation_error")
    renamed = change([{"name": "Größe", "values": ["S", "M"]}])
    assert orjson.loads(renamed.content)["variants"][0]["options"] == {"Größe": "S"}


def test_product_deletes_with_all_of_its_own(manager):
    make_product(slug="mug", images=["/a.png"])

    response = manager.delete(f"{API}/products/mug", headers={"If-Match": '"1"'})

    assert response.status_code == 204
    assert not Product.objects.exists()
    assert not ProductCard.objects.exists()


STATUSES = Product.Status.values
VERBS = {"publish": "active", "archive": "archived"}


@pytest.mark.parametrize("current", STATUSES)
@pytest.mark.parametrize("verb", VERBS)
def test_product_moves_between_states_as_the_table_says(api, manager, current, verb):
    make_product(slug="mug", status=current)
    to = VERBS[verb]

    response = manager.post(f"{API}/products/mug/{verb}")

    if to in TRANSITIONS[Product.Status(current)]:
        assert orjson.loads(response.content)["status"] == to
        expected = to
    else:
        assert refused(response) == (409, "product_transition")
        assert (response.json()["current"], response.json()["wanted"]) == (current, to)
        expected = current
    assert Product.objects.get().status == expected
    public = api.get(f"{API}/products/mug").status_code
    assert public == (200 if expected == "active" else 404)
    published = OutboxEvent.objects.filter(name="catalog.product_published").count()
    assert published == (current != expected == "active")


def test_transition_table_covers_every_status():
    assert set(TRANSITIONS) == set(Product.Status)
    assert {
        "draft": {"active", "archived"},
        "active": {"archived"},
        "archived": {"active"},
    } == TRANSITIONS


def test_product_keeps_the_date_of_its_first_publication(manager):
    product = make_product(slug="mug")
    before = product.published_at

    manager.post(f"{API}/products/mug/archive")
    manager.post(f"{API}/products/mug/publish")

    product.refresh_from_db()
    assert product.published_at == before
    assert [entry.after for entry in AuditEntry.objects.order_by("pk")] == [
        {"status": "archived"},
        {"status": "active"},
    ]


def test_variant_is_added_changed_and_deleted(api, manager):
    product = make_product(slug="mug", variants=[{"options": {"Size": "S"}}])

    made = manager.post(
        f"{API}/products/mug/variants",
        {
            "sku": "MUG-XL",
            "options": {"Size": "XL"},
            "prices": [{"price": {"amount": 5000, "currency": "EUR"}}],
        },
        format="json",
    )
    url = made.headers["Location"]

    assert made.status_code == 201
    assert card_of(api, product)["variant_count"] == 2
    assert card_of(api, product)["price"]["max"]["amount"] == 5000
    assert orjson.loads(api.get(f"{API}/products/mug").content)["options"] == [
        {"name": "Size", "values": ["S", "XL"]}
    ]
    changed = manager.patch(
        url,
        {"weight_grams": 5, "options": {"Size": "L"}},
        format="json",
        headers={"If-Match": made.headers["ETag"]},
    )
    assert changed.json() == made.json() | {
        "weight_grams": 5,
        "options": {"Size": "L"},
        "title": "L",
    }
    deleted = manager.delete(url, headers={"If-Match": changed.headers["ETag"]})
    assert deleted.status_code == 204
    assert card_of(api, product)["variant_count"] == 1


def test_variant_keeps_sku_and_options_to_itself(manager):
    make_product(variants=[{"sku": "TAKEN"}])
    product = make_product(
        slug="mug", variants=[{"options": {"Size": "S"}}, {"options": {"Size": "M"}}]
    )
    small = product.variants.get(option_values=["S"])

    def change(**fields):
        return manager.patch(
            f"{API}/variants/{small.pk}",
            fields,
            format="json",
            headers={"If-Match": '"1"'},
        )

    assert refused(change(sku="TAKEN")) == (409, "sku_taken")
    assert refused(change(options={"Size": "M"})) == (409, "variant_exists")
    assert refused(change(options={})) == (422, "options_mismatch")
    assert refused(change(image_id=str(small.pk))) == (422, "unknown_reference")
    assert change(sku="").json()["sku"] is None


def test_variant_has_no_more_options_than_a_product_can(manager):
    product = make_product()

    response = manager.post(
        f"{API}/products/{product.pk}/variants",
        {"options": {f"Option {n}": "x" for n in range(MAX_OPTIONS + 1)}},
        format="json",
    )

    assert response.status_code == 422
    assert pointers(response) == [("#/options", "too_many")]


def test_variant_of_a_draft_is_hidden(api, manager):
    variant = make_product(status="draft").variants.get()

    for path in (f"/variants/{variant.pk}", f"/variants/{variant.pk}/prices"):
        assert api.get(API + path).status_code == 404
        assert manager.get(API + path).status_code == 200


def test_price_is_added_changed_and_deleted_with_events(api, manager):
    product = make_product(variants=[{"prices": {"EUR": 1000}}])
    url = f"{API}/variants/{product.variants.get().pk}/prices"

    made = manager.post(
        url, {"price": {"amount": 900, "currency": "USD"}}, format="json"
    )
    twice = manager.post(
        url, {"price": {"amount": 1, "currency": "USD"}}, format="json"
    )
    changed = manager.patch(
        f"{url}/EUR",
        {
            "price": {"amount": 800, "currency": "EUR"},
            "compare_at_price": {"amount": 1000, "currency": "EUR"},
        },
        format="json",
        headers={"If-Match": '"1"'},
    )
    other = manager.patch(
        f"{url}/EUR",
        {"price": {"amount": 1, "currency": "USD"}},
        format="json",
        headers={"If-Match": '"2"'},
    )
    half = manager.patch(
        f"{url}/EUR",
        {"price": {"amount": 1}},
        format="json",
        headers={"If-Match": '"2"'},
    )

    assert made.status_code == 201
    assert api.get(made.headers["Location"]).json() == made.json()
    assert refused(twice) == (409, "price_exists")
    assert changed.status_code == 200
    assert refused(other) == (422, "currency_mismatch")
    assert pointers(half) == [("#/price/currency", "required")]
    assert card_of(api, product)["price"]["min"]["amount"] == 800
    assert card_of(api, product)["compare_at_price"]["amount"] == 1000
    assert [r["currency"] for r in api.get(url).json()["results"]] == ["EUR", "USD"]
    deleted = manager.delete(f"{url}/USD", headers={"If-Match": '"1"'})
    assert deleted.status_code == 204
    events = OutboxEvent.objects.filter(name="catalog.price_changed").order_by(
        "sequence"
    )
    assert [
        (e.payload["currency"], e.payload["amount"], e.payload["previous_amount"])
        for e in events
    ] == [("USD", 900, None), ("EUR", 800, 1000), ("USD", None, 900)]


def test_price_list_costs_the_same_queries_for_1_and_3_rows(api):
    variant = make_product().variants.get()
    url = f"{API}/variants/{variant.pk}/prices"
    with CaptureQueriesContext(connection) as one:
        api.get(url)
    for currency in ("USD", "CHF"):
        Price.objects.create(variant=variant, currency=currency, amount=1)

    with CaptureQueriesContext(connection) as three:
        assert len(api.get(url).json()["results"]) == 3

    assert len(one) == len(three)


def test_image_is_added_moved_and_deleted(api, manager):
    product = make_product(slug="mug", images=["/a.png"])

    made = manager.post(
        f"{API}/products/mug/images",
        {"url": "/b.png", "width": 8, "height": 6},
        format="json",
    )
    twice = manager.post(f"{API}/products/mug/images", {"url": "/b.png"}, format="json")
    assert made.json()["position"] == 1
    assert refused(twice) == (409, "image_exists")
    first = product.images.get(url="/a.png")
    moved = manager.patch(
        f"{API}/images/{first.pk}",
        {"position": 9},
        format="json",
        headers={"If-Match": '"1"'},
    )
    assert card_of(api, product)["thumbnail"] == {
        "url": "/b.png",
        "alt": "",
        "width": 8,
        "height": 6,
    }
    manager.delete(made.headers["Location"], headers={"If-Match": made.headers["ETag"]})
    assert card_of(api, product)["thumbnail"]["url"] == "/a.png"
    assert moved.json()["position"] == 9


def incompressible(length: int, *, script: tuple[int, int]) -> str:
    letters = random.Random(1)  # noqa: S311 -- only to resist compression
    return "".join(chr(letters.randint(*script)) for _ in range(length))


def test_image_address_of_any_script_is_unique_at_its_full_length(manager):
    make_product(slug="mug")
    url = "/" + incompressible(2047, script=(0x20000, 0x2A6DF))

    made = manager.post(f"{API}/products/mug/images", {"url": url}, format="json")
    twice = manager.post(f"{API}/products/mug/images", {"url": url}, format="json")

    assert made.status_code == 201
    assert refused(twice) == (409, "image_exists")


def test_options_are_stored_up_to_their_bytes(manager):
    value = incompressible(255, script=(0x4E00, 0x9FFF))
    longest = {name: f"{name}{value[1:]}" for name in "ABC"}
    product = new_product(
        options=[{"name": name} for name in "ABC"], variants=[{"options": longest}]
    )
    beyond = incompressible(201, script=(0x20000, 0x2A6DF))

    made = manager.post(f"{API}/products", product, format="json")
    chosen = manager.post(
        f"{API}/products/{made.json()['slug']}/variants",
        {"options": longest | {"A": beyond}},
        format="json",
    )
    offered = manager.post(
        f"{API}/products",
        new_product(options=[{"name": "A", "values": [beyond]}], variants=[]),
        format="json",
    )

    assert made.status_code == 201
    assert pointers(chosen) == [("#/options/A", "max_bytes")]
    assert pointers(offered) == [("#/options/0/values/0", "max_bytes")]


def test_write_is_repeated_by_its_key_once(manager):
    headers = {"Idempotency-Key": "same"}

    first = manager.post(
        f"{API}/products", new_product(), format="json", headers=headers
    )
    again = manager.post(
        f"{API}/products", new_product(), format="json", headers=headers
    )

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Product.objects.count() == 1
    assert Variant.objects.count() == 2


def test_product_in_stock_stays(manager):
    product = make_product(slug="mug")
    make_stock(product.variants.get())

    response = manager.delete(f"{API}/products/mug", headers={"If-Match": '"1"'})

    assert refused(response) == (409, "in_use")
    assert Product.objects.get().version == 1
