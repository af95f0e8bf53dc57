import re

import pytest
from django.contrib.admin.models import LogEntry

from accounts.tests.factories import make_user
from catalog import services
from catalog.exceptions import InUseError
from catalog.models import (
    Attribute,
    Category,
    Image,
    ImportJob,
    Price,
    Product,
    Variant,
    Vendor,
)
from catalog.tests.factories import (
    make_attribute,
    make_category,
    make_collection,
    make_product,
    make_variant,
    make_vendor,
)
from core.models import AuditEntry
from core.tests.administration import assert_cost_is_flat, queries_of

pytestmark = pytest.mark.django_db
PRODUCTS = "/admin/catalog/product/"


@pytest.fixture
def manager(client):
    """Has the role catalog_manager."""
    user = make_user(roles=("catalog_manager",))
    client.force_login(user)
    client.user_id = user.pk
    return client


def form_of(client, address):
    """Read what a browser would send back if nothing were edited."""
    page = client.get(address)
    assert page.status_code == 200
    fields = {}
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for bound in form:
            value = bound.value()
            if value is None or value is False:
                continue
            if isinstance(value, list | tuple):
                fields[bound.html_name] = [str(getattr(v, "pk", v)) for v in value]
            else:
                fields[bound.html_name] = "on" if value is True else str(value)
    return fields


def edit(client, page, row, **changes):
    """Send the page's form with changes; a double underscore stands for a dash."""
    address = f"/admin/catalog/{page}/{row.pk}/change/"
    changes = {name.replace("__", "-"): value for name, value in changes.items()}
    return client.post(address, form_of(client, address) | changes, follow=True)


def told(response):
    return [str(message) for message in response.context["messages"]]


def refused(response):
    """Read why the form came back."""
    return response.context["adminform"].form.non_field_errors()


def shown(api, product):
    return api.get(f"/api/v1/products/{product.pk}").json()


@pytest.mark.parametrize(
    ("page", "make_row"),
    [
        ("product", lambda: make_product(images=["https://example.com/1.png"])),
        ("product", lambda: make_product(vendor="Acme", categories=[make_category()])),
        ("variant", make_variant),
        ("vendor", lambda: make_product(vendor=make_vendor())),
        ("category", lambda: make_category(parent=make_category())),
        ("collection", make_collection),
        ("attribute", lambda: make_attribute(values=["Wool"])),
        ("importjob", lambda: ImportJob.objects.create(file_name="a", currency="EUR")),
    ],
)
def test_a_list_costs_the_same_for_any_number_of_rows(manager, page, make_row):
    assert_cost_is_flat(manager, f"/admin/catalog/{page}/", make_row)


def test_the_page_of_a_product_costs_the_same_for_any_number_of_variants(manager):
    make_attribute("fit", values=["Slim"])
    make_attribute("cut", values=["Long"])

    def cost(number):
        product = make_product(
            variants=[{"options": {"Size": str(n)}} for n in range(number)],
            images=[f"https://example.com/{n}.png" for n in range(number)],
            attributes={"fit": "slim"} | ({"cut": "long"} if number > 1 else {}),
        )
        return len(queries_of(manager, f"{PRODUCTS}{product.pk}/change/"))

    assert cost(1) == cost(3)


def test_saving_an_untouched_page_changes_nothing(manager):
    product = make_product(
        variants=[{"options": {"Size": "S"}, "prices": {"EUR": 1000}}],
        categories=[make_category()],
        collections=[make_collection()],
        attributes={make_attribute("fit", values=["Slim"]).code: "slim"},
        images=["https://example.com/1.png"],
        tags=["new", "wool"],
    )

    edit(manager, "product", product)

    assert not AuditEntry.objects.filter(subject_type__startswith="catalog.").exists()
    product.refresh_from_db()
    assert product.version == 1


def test_a_change_of_a_product_is_in_the_next_read_of_the_api(manager, api):
    product = make_product(title="Old", tags=["a"])
    first, second = make_category("Mugs"), make_category("Gifts")
    vendor = make_vendor("Acme")
    shown(api, product)
    api.get("/api/v1/products")

    response = edit(
        manager,
        "product",
        product,
        title="New",
        description_html="<p>Hi</p><script>alert(1)</script>",
        vendor=str(vendor.pk),
        categories=[str(first.pk), str(second.pk)],
        in_collections=[str(make_collection("Best").pk)],
        tags="b\r\nc, with a comma\r\n",
    )

    assert response.redirect_chain
    answer = shown(api, product)
    assert answer["title"] == "New"
    assert answer["description_html"] == "<p>Hi</p>"
    assert answer["vendor"] == "Acme"
    assert answer["tags"] == ["b", "c, with a comma"]
    [card] = api.get("/api/v1/products").json()["results"]
    assert card["title"] == "New"
    for filters in ("category=mugs", "category=gifts", "collection=best", "tag=b"):
        assert len(api.get(f"/api/v1/products?{filters}").json()["results"]) == 1
    entry = AuditEntry.objects.get(action="product_changed")
    assert entry.actor_id == manager.user_id
    assert LogEntry.objects.get().user_id == manager.user_id


def test_prices_are_typed_as_people_write_them_and_seen_at_once(manager, api):
    product = make_product(variants=[{"prices": {"EUR": 1000}}])

    edit(
        manager,
        "product",
        product,
        variants__0__price="12.50",
        variants__0__compare_at_price="15",
    )

    [variant] = shown(api, product)["variants"]
    assert variant["price"] == {"amount": 1250, "currency": "EUR"}
    assert variant["compare_at_price"] == {"amount": 1500, "currency": "EUR"}
    card = api.get("/api/v1/products").json()["results"][0]
    assert card["price"]["min"] == {"amount": 1250, "currency": "EUR"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("price", "free"),
        ("price", "1.999"),
        ("price", "-1"),
        ("price", ""),
        ("compare_at_price", "x"),
    ],
)
def test_a_price_that_makes_no_sense_is_shown_again(manager, name, value):
    product = make_product(variants=[{"prices": {"EUR": 1000}}])
    changes = {"variants-0-compare_at_price": "15", f"variants-0-{name}": value}

    response = edit(manager, "product", product, **changes)

    assert not response.redirect_chain
    assert Price.objects.get().amount == 1000


def test_a_new_product_is_made_with_all_that_hangs_on_it(manager, api):
    attribute = make_attribute("material", values=["Wool"])
    size = make_attribute("height", type="number")
    address = f"{PRODUCTS}add/"
    form = form_of(manager, address) | {
        "title": "Wool Scarf",
        "options-TOTAL_FORMS": 1,
        "options-0-name": "Color",
        "options-0-values": "Red\nBlue",
        "options-0-position": 0,
        "variants-TOTAL_FORMS": 2,
        "variants-0-sku": "SCARF-R",
        "variants-0-option_values": "Red",
        "variants-0-price": "29",
        "variants-0-position": 0,
        "variants-1-sku": "SCARF-B",
        "variants-1-option_values": "Blue",
        "variants-1-price": "31",
        "variants-1-position": 1,
        "images-TOTAL_FORMS": 1,
        "images-0-url": "https://example.com/scarf.png",
        "images-0-position": 0,
        "attributes-TOTAL_FORMS": 2,
        "attributes-0-attribute": str(attribute.pk),
        "attributes-0-value": str(attribute.values.get().pk),
        "attributes-1-attribute": str(size.pk),
        "attributes-1-number": "12.5",
    }

    response = manager.post(address, form)

    assert response.status_code == 302, response.context["errors"]
    product = Product.objects.get()
    assert (product.slug, product.status) == ("wool-scarf", "draft")
    manager.post(PRODUCTS, {"action": "publish", "_selected_action": [str(product.pk)]})
    answer = shown(api, product)
    assert [v["options"] for v in answer["variants"]] == [
        {"Color": "Red"},
        {"Color": "Blue"},
    ]
    assert [v["price"]["amount"] for v in answer["variants"]] == [2900, 3100]
    assert answer["images"][0]["url"] == "https://example.com/scarf.png"
    assert len(answer["attributes"]) == 2


def test_variants_images_and_attributes_are_taken_away(manager, api):
    product = make_product(
        variants=[{"options": {"Size": size}} for size in ("S", "M")],
        images=["https://example.com/1.png", "https://example.com/2.png"],
        attributes={make_attribute("fit", values=["Slim"]).code: "slim"},
    )

    edit(
        manager,
        "product",
        product,
        variants__0__DELETE="on",
        images__1__DELETE="on",
        attributes__0__DELETE="on",
    )

    answer = shown(api, product)
    assert [v["options"] for v in answer["variants"]] == [{"Size": "M"}]
    assert [i["url"] for i in answer["images"]] == ["https://example.com/1.png"]
    assert answer["attributes"] == []


def test_options_that_do_not_fit_the_variants_are_refused_as_a_whole(manager):
    product = make_product(
        title="Shirt", variants=[{"options": {"Size": "S"}}, {"options": {"Size": "M"}}]
    )

    response = edit(
        manager, "product", product, title="Other", options__0__values="Large"
    )

    [refusal] = refused(response)
    assert "A variant has the values" in refusal
    assert response.context["adminform"].form["title"].value() == "Other"
    product.refresh_from_db()
    assert product.title == "Shirt"
    assert product.options.get().values == ["S", "M"]


def test_a_change_that_another_one_made_meanwhile_is_not_undone(manager):
    product = make_product(title="Mine")
    address = f"{PRODUCTS}{product.pk}/change/"
    form = form_of(manager, address)
    Product.objects.update(title="Theirs", version=2)

    response = manager.post(address, form | {"title": "Mine again"}, follow=True)

    assert refused(response) == ["Somebody changed it meanwhile"]
    assert response.context["adminform"].form["title"].value() == "Mine again"
    product.refresh_from_db()
    assert product.title == "Theirs"


def test_a_product_with_many_variants_is_edited_page_by_page(manager):
    product = make_product(variants=[{"options": {"Size": str(n)}} for n in range(60)])
    address = f"{PRODUCTS}{product.pk}/change/"
    names = [
        n for n in form_of(manager, address) if re.fullmatch(r"variants-\d+-sku", n)
    ]

    response = edit(manager, "product", product, variants__3__sku="CHANGED")

    assert len(names) == 25
    assert response.redirect_chain
    assert product.variants.count() == 60
    assert Variant.objects.filter(sku="CHANGED").count() == 1


def test_publish_and_archive_call_the_services(manager, api):
    draft, active = make_product(status="draft"), make_product(title="B")
    chosen = {"_selected_action": [str(draft.pk), str(active.pk)]}

    published = manager.post(PRODUCTS, {"action": "publish"} | chosen, follow=True)
    archived = manager.post(PRODUCTS, {"action": "archive"} | chosen, follow=True)

    assert sorted(told(published)) == [
        "B: A product that is active can't become active.",
        "Published: 1.",
    ]
    assert told(archived) == ["Archived: 2."]
    assert api.get("/api/v1/products").json()["results"] == []


def test_a_variant_has_prices_in_several_currencies(manager, api):
    product = make_product(variants=[{"prices": {"EUR": 1000, "USD": 1100}}])
    variant = Variant.objects.get()

    edit(
        manager,
        "variant",
        variant,
        sku="NEW",
        prices__TOTAL_FORMS="3",
        prices__0__amount="11.00",
        prices__1__DELETE="on",
        prices__2__currency="jpy",
        prices__2__amount="1500",
    )

    assert Price.objects.count() == 2
    prices = dict(Price.objects.values_list("currency", "amount"))
    assert prices == {"EUR": 1100, "JPY": 1500}
    [answer] = shown(api, product)["variants"]
    assert (answer["sku"], answer["price"]["amount"]) == ("NEW", 1100)


def test_a_price_moves_to_another_currency(manager):
    make_product(variants=[{"prices": {"EUR": 1000}}])

    edit(manager, "variant", Variant.objects.get(), prices__0__currency="USD")

    assert list(Price.objects.values_list("currency", "amount")) == [("USD", 1000)]


def test_a_variant_shows_one_of_its_products_pictures(manager):
    product = make_product(images=["https://example.com/1.png"])
    make_product(images=["https://example.com/2.png"])
    variant, image = product.variants.get(), product.images.get()
    other = Image.objects.exclude(pk=image.pk).get()

    refused = edit(manager, "variant", variant, image=str(other.pk))
    edit(manager, "variant", variant, image=str(image.pk))

    assert not refused.redirect_chain
    variant.refresh_from_db()
    assert variant.image_id == image.pk

    edit(manager, "variant", variant, image="")
    variant.refresh_from_db()
    assert variant.image_id is None


def test_a_vendors_new_name_is_on_the_cards(manager, api):
    product = make_product(vendor=make_vendor("Acme"))

    edit(manager, "vendor", Vendor.objects.get(), name="Acme & Sons")

    assert shown(api, product)["vendor"] == "Acme & Sons"


def test_a_vendor_in_use_is_not_deleted(manager):
    vendor = make_vendor("Acme")
    make_product(vendor=vendor)

    manager.post(f"/admin/catalog/vendor/{vendor.pk}/delete/", {"post": "yes"})

    assert Vendor.objects.exists()


def test_a_category_moves_with_its_products(manager, api):
    root, leaf = make_category("Home"), make_category("Mugs")
    make_product(categories=[leaf])

    edit(manager, "category", leaf, parent=str(root.pk))
    response = edit(manager, "category", root, parent=str(leaf.pk))

    assert len(api.get("/api/v1/products?category=home").json()["results"]) == 1
    assert refused(response) == ["A category can't stand below itself"]

    edit(manager, "category", leaf, parent="")
    assert Category.objects.get(pk=leaf.pk).parent is None


def test_an_attribute_is_made_with_its_values(manager):
    address = "/admin/catalog/attribute/add/"
    form = form_of(manager, address) | {
        "name": "Material",
        "code": "material",
        "type": "choice",
        "values-TOTAL_FORMS": 1,
        "values-0-code": "wool",
        "values-0-label": "Wool",
        "values-0-position": 0,
    }

    assert manager.post(address, form).status_code == 302
    attribute = Attribute.objects.get()
    assert attribute.values.get().label == "Wool"

    edit(manager, "attribute", attribute, values__0__label="Pure wool")
    assert attribute.values.get().label == "Pure wool"

    edit(manager, "attribute", attribute, values__0__DELETE="on")
    assert not attribute.values.exists()


def test_rows_are_deleted_through_the_services(manager):
    rows = [make_vendor(), make_collection(), make_category(), make_attribute()]
    rows += [make_product(), make_variant()]
    pages = ("vendor", "collection", "category", "attribute", "product", "variant")

    for page, row in zip(pages, rows, strict=True):
        manager.post(f"/admin/catalog/{page}/{row.pk}/delete/", {"post": "yes"})
        assert not type(row).objects.filter(pk=row.pk).exists()
        assert AuditEntry.objects.filter(action=f"{page}_deleted").exists()


def test_a_viewer_of_the_catalogue_edits_nothing(client):
    product = make_product(title="Old")
    client.force_login(make_user(roles=("warehouse",)))
    address = f"{PRODUCTS}{product.pk}/"

    assert client.get(f"{address}change/").status_code == 200
    assert client.post(f"{address}change/", {"title": "New"}).status_code == 403
    assert client.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    client.post(PRODUCTS, {"action": "archive", "_selected_action": [str(product.pk)]})
    product.refresh_from_db()
    assert (product.title, product.status) == ("Old", "active")


def test_what_a_service_refuses_while_deleting_is_told(manager, monkeypatch):
    vendor = make_vendor("Acme")

    def refuse(*args, **kwargs):
        raise InUseError

    # Staff see what protects a row before they delete it; this is somebody being faster.
    monkeypatch.setattr(services, "delete_entry", refuse)
    address = f"/admin/catalog/vendor/{vendor.pk}/delete/"
    one = manager.post(address, {"post": "yes"})
    chosen = {"_selected_action": [str(vendor.pk)], "post": "yes"}
    many = manager.post(
        "/admin/catalog/vendor/", {"action": "delete_selected"} | chosen
    )

    assert (one.status_code, many.status_code) == (302, 302)
    assert Vendor.objects.exists()
