import threading
from contextlib import closing

import orjson
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from catalog import services
from catalog.models import Price, Product, ProductCard, SearchWord
from catalog.services import _cards
from catalog.tests.factories import (
    make_attribute,
    make_category,
    make_collection,
    make_product,
    make_variant,
)

pytestmark = pytest.mark.django_db


def cards_of(product: Product) -> dict[str, ProductCard]:
    return {card.currency: card for card in ProductCard.objects.filter(product=product)}


def test_refresh_cards_writes_the_whole_card():
    product = make_product(
        title='Café "Noir"\n\\',
        slug="cafe",
        vendor="Bürli",
        images=["/b.png"],
        variants=[
            {"options": {"Size": "S"}, "prices": {"EUR": 1999}},
            {"options": {"Size": "M"}, "prices": {"EUR": 2999}, "in_stock": True},
        ],
    )
    medium = product.variants.get(option_values=["M"])
    Price.objects.filter(amount=1999).update(compare_at_amount=2500)
    services.refresh_cards(product_ids=[product.pk])

    card = cards_of(product)["EUR"]

    assert card.card.encode() == orjson.dumps(
        {
            "id": product.pk,
            "slug": "cafe",
            "title": 'Café "Noir"\n\\',
            "vendor": "Bürli",
            "thumbnail": {
                "url": "/b.png",
                "alt": 'Café "Noir"\n\\',
                "width": None,
                "height": None,
            },
            "price": {
                "min": {"amount": 1999, "currency": "EUR"},
                "max": {"amount": 2999, "currency": "EUR"},
            },
            "compare_at_price": {"amount": 2500, "currency": "EUR"},
            "in_stock": True,
            "rating": {"average": 0.0, "count": 0},
            "variant_count": 2,
            "default_variant_id": medium.pk,
        }
    )
    assert (card.min_amount, card.max_amount, card.in_stock) == (1999, 2999, True)


def test_refresh_cards_keeps_one_row_a_currency_and_the_shops_as_default():
    product = make_product(variants=[{"prices": {"CHF": 3, "EUR": 1, "USD": 2}}])

    defaults = {code: card.is_default for code, card in cards_of(product).items()}

    assert defaults == {"CHF": False, "EUR": True, "USD": False}


def test_refresh_cards_moves_the_default_when_its_currency_goes_and_comes():
    product = make_product(variants=[{"prices": {"CHF": 3, "EUR": 1}}])
    euro = Price.objects.get(currency="EUR")

    euro.delete()
    services.refresh_cards(product_ids=[product.pk])
    without = {code: card.is_default for code, card in cards_of(product).items()}
    Price.objects.create(variant_id=euro.variant_id, currency="EUR", amount=1)
    services.refresh_cards(product_ids=[product.pk])
    again = {code: card.is_default for code, card in cards_of(product).items()}

    assert without == {"CHF": True}
    assert again == {"CHF": False, "EUR": True}


@pytest.mark.parametrize("variants", [[], [{"prices": {}}]])
def test_refresh_cards_shows_an_unpriced_product_without_a_price(variants):
    product = make_product(variants=variants)

    cards = cards_of(product)

    assert set(cards) == {""}
    assert cards[""].is_default
    assert orjson.loads(cards[""].card)["price"] is None


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_refresh_cards_removes_what_is_not_published(status):
    product = make_product()

    Product.objects.filter(pk=product.pk).update(status=status)
    services.refresh_cards(product_ids=[product.pk])

    assert cards_of(product) == {}


def test_refresh_cards_files_a_product_under_every_ancestor():
    goods = make_category("Goods")
    cups = make_category("Cups", parent=make_category("Kitchen", parent=goods))
    product = make_product(
        categories=[cups], collections=[make_collection("Summer")], tags=["new"]
    )

    card = cards_of(product)["EUR"]

    assert card.category_slugs == ["cups", "goods", "kitchen"]
    assert card.collection_slugs == ["summer"]
    assert card.tags == ["new"]


def test_refresh_cards_says_options_and_attributes_as_pairs():
    make_attribute("material", values=["Wool"])
    make_attribute("secret", values=["Yes"], is_filterable=False)
    product = make_product(
        attributes={"material": "wool", "secret": "yes"},
        variants=[
            {"options": {"Color": "Red", "Size": "S"}},
            {"options": {"Color": "Red", "Size": "M"}},
        ],
    )

    card = cards_of(product)["EUR"]

    assert sorted(card.options) == ["Color=Red", "Size=M", "Size=S"]
    assert card.attributes == ["material=wool"]


def test_refresh_cards_costs_the_same_queries_for_1_and_3_products():
    ids = [make_product().pk for _ in range(3)]

    with CaptureQueriesContext(connection) as one:
        services.refresh_cards(product_ids=ids[:1])
    with CaptureQueriesContext(connection) as three:
        services.refresh_cards(product_ids=ids)

    assert len(one) == len(three)


def test_refresh_cards_does_not_write_an_unchanged_card():
    product = make_product()
    before = _row_versions()

    services.refresh_cards(product_ids=[product.pk])

    assert _row_versions() == before


def _row_versions() -> list[tuple[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text FROM catalog_productcard ORDER BY id")
        return cursor.fetchall()


def test_refresh_cards_learns_words_but_not_those_of_descriptions():
    make_product(title="Blaue Tasse", tags=["N2"], description_html="<p>Nonsense</p>")

    assert set(SearchWord.objects.values_list("word", flat=True)) >= {"blaue", "tasse"}
    assert not SearchWord.objects.filter(word="nonsense").exists()


def test_recount_search_words_forgets_and_counts():
    make_product(title="Blue cup")
    gone = make_product(title="Red cup")
    gone.delete()

    services.recount_search_words()

    assert not SearchWord.objects.filter(word="red").exists()
    assert SearchWord.objects.get(word="cup").product_count == 1


def test_set_availability_changes_variant_and_card():
    variant = make_variant()

    services.set_availability(changes={variant.pk: True})

    variant.refresh_from_db()
    assert variant.in_stock
    assert cards_of(variant.product)["EUR"].in_stock


def test_record_sales_adds_up_per_product():
    product = make_product(
        variants=[{"options": {"Size": "S"}}, {"options": {"Size": "M"}}]
    )
    small, medium = product.variants.order_by("position")

    services.record_sales(quantities={small.pk: 2, medium.pk: 3})
    services.record_sales(quantities={small.pk: 1})

    product.refresh_from_db()
    assert product.sold_quantity == 6
    assert cards_of(product)["EUR"].sold_quantity == 6


def _race_a_price_against_the_stock(product: Product) -> ProductCard:
    """Let the stock change while the transaction of a price change is still open."""

    def sell_out() -> None:
        with closing(connection):
            variant = product.variants.get()
            services.set_availability(changes={variant.pk: True})

    thread = threading.Thread(target=sell_out)
    with transaction.atomic():
        services.lock_products([product.pk])
        Price.objects.update(amount=1)
        services.refresh_cards(product_ids=[product.pk])
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive(), "The second change did not wait for the first."
    thread.join(timeout=30)
    return ProductCard.objects.get()


@pytest.mark.django_db(transaction=True)
def test_refresh_cards_loses_neither_of_two_racing_changes():
    card = _race_a_price_against_the_stock(make_product())

    assert (card.min_amount, card.in_stock) == (1, True)


@pytest.mark.django_db(transaction=True)
def test_refresh_cards_loses_a_racing_change_without_the_lock(monkeypatch):
    monkeypatch.setattr(_cards, "lock_products", lambda _: None)

    card = _race_a_price_against_the_stock(make_product())

    assert (card.min_amount, card.in_stock) == (1999, True)
