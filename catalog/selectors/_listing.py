from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from psycopg import sql

# Names and the values wanted of each; any one value of a name is enough.
Pairs = tuple[tuple[str, tuple[str, ...]], ...]
# The sorting key as text, and the product's id.
Position = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CardFilters:
    """Which cards. Values of one filter are alternatives, filters add up."""

    category: tuple[str, ...] = ()
    collection: tuple[str, ...] = ()
    vendor: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    currency: str = ""
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None
    rating: str = ""
    options: Pairs = ()
    attributes: Pairs = ()


@dataclass(frozen=True, slots=True)
class Ordering:
    """A key to sort cards by, with its type. The product's id breaks ties."""

    key: sql.Composable
    type: sql.SQL
    descending: bool = False


@dataclass(frozen=True, slots=True)
class PageRequest:
    """So many cards after (or, backwards, before) a position."""

    limit: int
    position: Position | None = None
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class CardPage:
    """Cards as JSON texts, and the positions to go on from where there are more."""

    cards: tuple[str, ...]
    next: Position | None = None
    previous: Position | None = None


# Each has its indexes on ProductCard, where the expressions stand as they do here.
ORDERINGS = {
    "newest": Ordering(
        sql.SQL("published_at"), sql.SQL("timestamptz"), descending=True
    ),
    "price": Ordering(
        sql.SQL("COALESCE(min_amount, 9223372036854775807)"), sql.SQL("bigint")
    ),
    "-price": Ordering(
        sql.SQL("COALESCE(min_amount, -1)"), sql.SQL("bigint"), descending=True
    ),
    "title": Ordering(sql.SQL("search_title"), sql.SQL("text")),
    "rating": Ordering(sql.SQL("rating"), sql.SQL("numeric"), descending=True),
    "best_selling": Ordering(
        sql.SQL("sold_quantity"), sql.SQL("bigint"), descending=True
    ),
}
PAGE = sql.SQL("""
SELECT card, ({key})::text AS key_text, product_id::text AS id_text
FROM catalog_productcard
WHERE {condition}
ORDER BY {key} {direction}, product_id {direction}
LIMIT {limit}
""")
COUNT = sql.SQL("SELECT count(*) FROM catalog_productcard WHERE {condition}")


def card_condition(filters: CardFilters) -> sql.Composable:
    """Say the filters in SQL, for lists, counts and facets alike."""
    return sql.SQL(" AND ").join(_conditions(filters))


def _conditions(filters: CardFilters) -> Iterator[sql.Composable]:
    if filters.currency:
        yield sql.SQL("currency = {}").format(filters.currency)
    else:
        yield sql.SQL("is_default")
    if filters.vendor:
        yield sql.SQL("vendor_slug = ANY({})").format(list(filters.vendor))
    for column, wanted in _wanted_entries(filters):
        entries = sql.Literal(list(wanted))
        yield sql.SQL("{} && {}").format(sql.Identifier(column), entries)
    if filters.min_price is not None:
        yield sql.SQL("max_amount >= {}").format(filters.min_price)
    if filters.max_price is not None:
        yield sql.SQL("min_amount <= {}").format(filters.max_price)
    if filters.in_stock is not None:
        yield sql.SQL("in_stock = {}").format(filters.in_stock)
    if filters.rating:
        yield sql.SQL("rating >= {}::numeric").format(filters.rating)


def _wanted_entries(filters: CardFilters) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the array columns with the entries of which a card needs one."""
    for column, values in (
        ("category_slugs", filters.category),
        ("collection_slugs", filters.collection),
        ("tags", filters.tag),
    ):
        if values:
            yield column, values
    for column, pairs in (
        ("options", filters.options),
        ("attributes", filters.attributes),
    ):
        for name, values in pairs:
            yield column, [f"{name}={value}" for value in values]


def list_cards(
    *, filters: CardFilters, ordering: Ordering, page: PageRequest
) -> CardPage:
    """Read one page in one query, at the same cost wherever in the list it stands."""
    return read_page(card_condition(filters), ordering=ordering, page=page)


def count_cards(filters: CardFilters) -> int:
    with connection.cursor() as cursor:
        cursor.execute(COUNT.format(condition=card_condition(filters)))
        (count,) = cursor.fetchone()
    return int(count)


def read_page(
    condition: sql.Composable, *, ordering: Ordering, page: PageRequest
) -> CardPage:
    with connection.cursor() as cursor:
        cursor.execute(page_statement(condition, ordering=ordering, page=page))
        return page_of(cursor.fetchall(), page)


def page_of(rows: Sequence[tuple[str, str, str]], page: PageRequest) -> CardPage:
    """Make a page of the rows (card, key, product) that were read for it."""
    has_more = len(rows) > page.limit
    rows = rows[: page.limit]
    if page.backwards:
        rows = rows[::-1]
    cards = tuple(card for card, _, _ in rows)
    # Whoever comes from somewhere can go back there.
    came = bool(rows) and page.position is not None
    before, after = (has_more, came) if page.backwards else (came, has_more)
    return CardPage(
        cards,
        next=(rows[-1][1], rows[-1][2]) if after else None,
        previous=(rows[0][1], rows[0][2]) if before else None,
    )


def page_statement(
    condition: sql.Composable, *, ordering: Ordering, page: PageRequest
) -> sql.Composed:
    if page.position is not None:
        beyond = beyond_position(ordering.key, ordering, page)
        condition = sql.SQL(" AND ").join([condition, beyond])
    return PAGE.format(
        key=ordering.key,
        condition=condition,
        direction=direction(ordering, page),
        # One more than wanted tells whether there are more.
        limit=page.limit + 1,
    )


def direction(ordering: Ordering, page: PageRequest) -> sql.SQL:
    is_descending = ordering.descending is not page.backwards
    return sql.SQL("DESC" if is_descending else "ASC")


def beyond_position(
    key: sql.Composable, ordering: Ordering, page: PageRequest
) -> sql.Composable:
    """Say "further than the page's position", as one comparison that an index answers."""
    if page.position is None:
        return sql.SQL("true")
    is_descending = ordering.descending is not page.backwards
    value, product_id = page.position
    return sql.SQL("({}, product_id) {} ({}::{}, {}::uuid)").format(
        key,
        sql.SQL("<" if is_descending else ">"),
        value,
        ordering.type,
        product_id,
    )
