from datetime import UTC, datetime

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import transaction
from django.urls import resolve
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Address
from accounts.tests.factories import seed_roles
from catalog.models import Category, Price, Product, ProductCard, Variant
from config.demo.pictures import SHAPES, product_svg
from config.demo.shop import open_demo_shop
from config.running import demo_key
from core.addresses import GivenPostalAddressSerializer
from inventory.models import Stock, Warehouse
from orders.models import Order, OrderLine

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _pictures_in_a_folder_of_their_own(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def assert_is_one_that_a_buyer_could_give(row):
    members = GivenPostalAddressSerializer().fields
    given = getattr(row, "shipping_address", None) or {
        name: getattr(row, name) for name in members
    }
    GivenPostalAddressSerializer(data=given).is_valid(raise_exception=True)


def test_seed_opens_a_shop_that_looks_like_one_and_adds_up(db):
    summary = open_demo_shop(now=NOW)

    assert (summary.products, summary.customers) == (120, 12)
    assert Category.objects.exclude(parent=None).count() == 10
    assert Warehouse.objects.count() == 2
    assert set(Price.objects.values_list("currency", flat=True)) == {"EUR", "USD"}
    assert ProductCard.objects.filter(is_default=True).count() == 120
    assert Order.objects.count() == summary.orders > 100
    assert not Order.objects.filter(placed_at__gt=NOW).exists()
    assert Address.objects.filter(is_default_shipping=True).count() == 13
    assert Address.objects.count() == 18
    call_command("verify_ledger")
    for address in (*Address.objects.all(), *Order.objects.all()):
        assert_is_one_that_a_buyer_could_give(address)
    url = Product.objects.get(slug="stoneware-mug").images.get(position=0).url
    with default_storage.open(url.removeprefix("/media/")) as picture:
        assert picture.read().startswith(b"<svg")


def test_the_demos_key_opens_what_the_notice_says(db):
    open_demo_shop(now=timezone.now())
    key = demo_key()
    api = APIClient(headers={"Authorization": f"Bearer {key}"})

    assert key.startswith("sw_test_")
    for path in ("stock?limit=3", "orders?limit=3", "warehouses"):
        assert api.get(f"/api/v1/{path}").status_code == 200
    assert api.get("/api/v1/api-keys").status_code == 403


def test_a_key_that_the_shop_would_refuse_is_not_shown(db, settings):
    assert demo_key() == ""

    open_demo_shop(now=timezone.now())
    settings.API_KEY_MODE = "live"
    assert demo_key() == ""


@pytest.fixture
def db(db):
    """A database as the migrations leave it: tests with real commits flush the roles."""
    seed_roles()


def contents():
    return (
        list(Product.objects.order_by("slug").values_list("slug", "title", "tags")),
        list(Variant.objects.order_by("sku").values_list("sku", "option_values")),
        list(
            Stock.objects.order_by("variant__sku", "warehouse__code").values_list(
                "variant__sku", "on_hand", "reserved"
            )
        ),
        list(
            OrderLine.objects.order_by("order__number", "position").values_list(
                "order__number", "order__placed_at", "sku", "quantity", "total_amount"
            )
        ),
    )


def test_seed_gives_the_same_shop_each_time(db):
    shops = []
    for _ in range(2):
        with transaction.atomic():
            open_demo_shop(now=NOW)
            shops.append(contents())
            transaction.set_rollback(True)

    assert shops[0] == shops[1]


def test_seed_changes_nothing_in_a_shop_that_has_products(db, capsys):
    Product.objects.create(slug="mine", title="Mine")

    call_command("seed")

    assert Product.objects.count() == 1
    assert "nothing was changed" in capsys.readouterr().out


def test_seed_refuses_where_its_passwords_would_be_a_door(db, settings):
    settings.DEV_TOOLS = False

    with pytest.raises(CommandError, match="local settings only"):
        call_command("seed")

    assert not Product.objects.exists()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_is_the_same_each_time(shape):
    first = product_svg(title="Mug", shape=shape)

    assert first == product_svg(title="Mug", shape=shape)
    assert first.startswith("<svg")


# Closing an answer looks after the connection, which a test before may have opened.
@pytest.mark.django_db
def test_demo_pictures_are_served_and_nothing_beside_them(client):
    folder = resolve("/media/demo/mug.svg").kwargs["document_root"]
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "test-picture.svg"
    picture.write_text("<svg/>")
    try:
        found = client.get("/media/demo/test-picture.svg")

        assert found.status_code == 200
        assert found["Content-Type"] == "image/svg+xml"
        assert b"".join(found.streaming_content) == b"<svg/>"
        found.close()
    finally:
        picture.unlink()
    assert client.get("/media/imports/prices.csv").status_code == 404
    assert client.get("/media/demo/../imports/prices.csv").status_code == 400
