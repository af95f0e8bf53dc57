import re
from itertools import product

import orjson
import pytest
from django.db import connection
from django.utils import timezone
from psycopg import sql

from catalog.models import ProductCard
from catalog.selectors import (
    ORDERINGS,
    CardFilters,
    PageRequest,
    count_cards,
    list_cards,
)
from catalog.selectors._listing import card_condition, page_statement
from catalog.tests.factories import (
    make_attribute,
    make_category,
    make_collection,
    make_product,
)

pytestmark = pytest.mark.django_db


def titles(filters: CardFilters, ordering: str = "title", limit: int = 20):
    page = list_cards(
        filters=filters, ordering=ORDERINGS[ordering], page=PageRequest(limit)
    )
    return [orjson.loads(card)["title"] for card in page.cards]


@pytest.fixture
def three():
    """A and C are cups, C is a small one; B is a hat."""
    cups = make_category("Cups", parent=make_category("Goods"))
    small = make_category("Small", parent=cups)
    summer = make_collection("Summer")
    make_attribute("material", values=["Wool", "Clay"])
    make_product(
        title="A",
        categories=[cups],
        vendor="Acme",
        tags=["new", "50% off"],
        attributes={"material": "clay"},
        variants=[
            {"options": {"Color": "Red"}, "prices": {"EUR": 1000}, "in_stock": True},
            {"options": {"Color": "Blue"}, "prices": {"EUR": 2000}},
        ],
    )
    make_product(
        title="B",
        collections=[summer],
        vendor="Best",
        tags=["new"],
        attributes={"material": "wool"},
        variants=[{"options": {"Color": "Red"}, "prices": {"EUR": 3000, "USD": 1}}],
    )
    make_product(title="C", categories=[small], variants=[{"prices": {"USD": 500}}])
    ProductCard.objects.filter(title="B").update(rating="4.5")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (CardFilters(), ["A", "B", "C"]),
        (CardFilters(category=("goods",)), ["A", "C"]),
        (CardFilters(category=("small",)), ["C"]),
        (CardFilters(collection=("summer",)), ["B"]),
        (CardFilters(vendor=("acme", "best")), ["A", "B"]),
        (CardFilters(tag=("50% off",)), ["A"]),
        (CardFilters(tag=("'; DROP TABLE catalog_productcard; --", "new")), ["A", "B"]),
        (CardFilters(tag=('{"\\',)), []),
        (CardFilters(min_price=1500), ["A", "B"]),
        (CardFilters(max_price=600), ["C"]),
        (CardFilters(min_price=1500, max_price=2500), ["A"]),
        (CardFilters(currency="USD"), ["B", "C"]),
        (CardFilters(currency="USD", max_price=10), ["B"]),
        (CardFilters(currency="CHF"), []),
        (CardFilters(in_stock=True), ["A"]),
        (CardFilters(in_stock=False), ["B", "C"]),
        (CardFilters(rating="4.5"), ["B"]),
        (CardFilters(rating="4.51"), []),
        (CardFilters(options=(("Color", ("Red", "Green")),)), ["A", "B"]),
        (CardFilters(options=(("Color", ("Blue",)),), vendor=("acme",)), ["A"]),
        (CardFilters(options=(("Colour", ("Blue",)),)), []),
        (CardFilters(attributes=(("material", ("wool",)),)), ["B"]),
    ],
)
@pytest.mark.usefixtures("three")
def test_list_cards_filters(filters, expected):
    assert titles(filters) == expected
    assert count_cards(filters) == len(expected)


def _make_orderable() -> None:
    for title, amount, sold, rating, day in [
        ("Ähre", 300, 5, "3", 1),
        ("beta", 100, 9, "5", 2),
        ("Zeta", 200, 1, "4", 3),
    ]:
        make_product(
            title=title,
            sold_quantity=sold,
            variants=[{"prices": {"EUR": amount}}],
            published_at=timezone.now().replace(year=2025, month=1, day=day),
        )
        ProductCard.objects.filter(title=title).update(rating=rating)
    make_product(
        title="none",
        variants=[],
        published_at=timezone.now().replace(year=2024, month=1, day=1),
    )


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [
        ("newest", ["Zeta", "beta", "Ähre", "none"]),
        ("price", ["beta", "Zeta", "Ähre", "none"]),
        ("-price", ["Ähre", "Zeta", "beta", "none"]),
        ("title", ["Ähre", "beta", "none", "Zeta"]),
        ("rating", ["beta", "Zeta", "Ähre", "none"]),
        ("best_selling", ["beta", "Ähre", "Zeta", "none"]),
    ],
)
def test_list_cards_orders(ordering, expected):
    _make_orderable()

    assert titles(CardFilters(), ordering) == expected


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("currency", ["", "EUR"])
def test_list_cards_pages_both_ways_over_equal_keys(ordering, currency):
    filters = CardFilters(currency=currency)
    for _ in range(5):
        make_product(title="Same", sold_quantity=1)
    key = ORDERINGS[ordering]
    whole = list_cards(filters=filters, ordering=key, page=PageRequest(20)).cards

    forward, position = [], None
    while True:
        page = list_cards(filters=filters, ordering=key, page=PageRequest(2, position))
        forward.append(page)
        if (position := page.next) is None:
            break
    backward, position = [], forward[-1].previous
    while position is not None:
        page = list_cards(
            filters=filters, ordering=key, page=PageRequest(2, position, backwards=True)
        )
        backward.append(page)
        position = page.previous

    assert [card for page in forward for card in page.cards] == list(whole)
    assert [page.cards for page in backward] == [forward[1].cards, forward[0].cards]
    assert forward[0].previous is None
    assert backward[-1].next is not None


def test_list_cards_reads_any_page_from_an_index_alone():
    _make_ten_thousand_cards()

    for name, currency in product(ORDERINGS, ["", "EUR"]):
        key = ORDERINGS[name]
        condition = card_condition(CardFilters(currency=currency))
        late = _position_of_card(9000, key.key)
        for page in (
            PageRequest(20),
            PageRequest(20, late),
            PageRequest(20, late, backwards=True),
        ):
            plan = _explain(page_statement(condition, ordering=key, page=page))
            assert "Sort" not in plan, (name, currency, page)
            assert _buffers(plan) < 100, (name, currency, page)


def _position_of_card(number: int, key: sql.Composable) -> tuple[str, str]:
    statement = sql.SQL(
        "SELECT ({})::text, product_id::text FROM catalog_productcard "
        "ORDER BY id OFFSET {} LIMIT 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.format(key, number))
        return cursor.fetchone()


COPY_PRODUCTS = """
INSERT INTO catalog_product (id, slug, version, created_at, updated_at, title,
  description_html, product_type, status, tags, seo_title, seo_description)
SELECT gen_random_uuid(), 'p' || n, 1, now(), now(), '', '', '', 'active', '{}', '', ''
FROM generate_series(1, 10000) n
"""
COPY_CARDS = """
WITH model AS (SELECT * FROM catalog_productcard),
copy AS (SELECT id, row_number() OVER () AS n FROM catalog_product WHERE title = '')
INSERT INTO catalog_productcard (product_id, title, min_amount, max_amount, rating,
  sold_quantity, published_at, search_title, currency, is_default, card, slug,
  vendor_slug, category_slugs, collection_slugs, tags, options, attributes, in_stock,
  search, ranking)
SELECT copy.id, n::text, n, n, n % 5, n, published_at + n * interval '1 minute', n::text,
  currency, is_default, card, slug, vendor_slug, category_slugs, collection_slugs, tags,
  options, attributes, in_stock, search, ranking
FROM model, copy
"""


def _make_ten_thousand_cards() -> None:
    make_product()
    with connection.cursor() as cursor:
        cursor.execute(COPY_PRODUCTS)
        cursor.execute(COPY_CARDS)
        # Rows that other tests rolled back stay in an index until it is made anew.
        cursor.execute("REINDEX TABLE catalog_productcard")
        cursor.execute("ANALYZE catalog_productcard")


def _explain(statement) -> str:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS) " + statement.as_string(None))
        return "\n".join(line for (line,) in cursor.fetchall())


def _buffers(plan: str) -> int:
    return sum(
        int(number) for number in re.search(r"Buffers: shared hit=(\d+)", plan).groups()
    )
