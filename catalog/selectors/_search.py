from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg import sql

from catalog.selectors._listing import (
    CardFilters,
    CardPage,
    Ordering,
    PageRequest,
    beyond_position,
    card_condition,
    direction,
    page_of,
)
from core.prepared import prepared_cursor

MAX_WORDS = 16
MAX_WORD_LENGTH = 64
# Shorter words have too many neighbours, and codes are not misspelt but wrong.
MIN_CORRECTED_LENGTH = 3
ONE_TYPO_LENGTH = 5
SPLIT = "SELECT string_to_array(nullif(catalog_words(%(text)s::text), ''), ' ')"
NEAREST = """
SELECT given.word, near.word, near.product_count
FROM unnest(%(words)s::text[]) AS given(word), LATERAL (
  SELECT w.word, w.product_count FROM catalog_searchword w
  ORDER BY w.word <-> given.word LIMIT 30
) near
"""
# The words are kept with the default card; a card in another currency is found by it.
FOUND = sql.SQL("""
product_id IN (
  SELECT product_id FROM catalog_productcard WHERE is_default AND {}
)
""")
# A word of the description alone ranks last: it isn't among the ranking words.
RANK = sql.SQL("ts_rank('{{0.05,0.2,0.4,1}}', ranking, {})")
MATCHES = sql.SQL("search @@ {}")
WORDS = sql.SQL("to_tsquery('shopwright', {})")
LIKENESS = sql.SQL("word_similarity({}, search_title)")
RESEMBLES = sql.SQL("{} <% search_title")
_real = sql.SQL("real")
# Found once, for the page and for the total; cards are fetched for the page alone.
HITS = sql.SQL("""
WITH hits AS MATERIALIZED (
  SELECT id, product_id, {key} AS key FROM catalog_productcard WHERE {condition}
),
page AS (
  SELECT * FROM hits WHERE {beyond}
  ORDER BY key {direction}, product_id {direction} LIMIT {limit}
)
SELECT c.card, page.key::text, page.product_id::text, (SELECT count(*) FROM hits)
FROM page JOIN catalog_productcard c ON c.id = page.id
ORDER BY page.key {direction}, page.product_id {direction}
""")
# The same with its values beside the text, so that its plan can be kept.
_WORDS = WORDS.format(sql.Placeholder("words"))
PLAIN_HITS = HITS.format(
    key=RANK.format(_WORDS),
    condition=sql.SQL("is_default AND {}").format(MATCHES.format(_WORDS)),
    beyond=sql.SQL("true"),
    direction=sql.SQL("DESC"),
    limit=sql.Placeholder("limit"),
).as_string()
_NO_FILTERS = CardFilters()


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for: words that all occur, or one text that a title resembles.

    A page goes on with the search that the first page settled on, so it is part of the
    cursor.
    """

    words: tuple[str, ...]
    is_corrected: bool = False
    by_likeness: bool = False

    def condition(self, filters: CardFilters) -> sql.Composable:
        if self.by_likeness:
            words = RESEMBLES.format(" ".join(self.words))
        else:
            words = MATCHES.format(WORDS.format(self.expression))
        if filters.currency:
            words = FOUND.format(words)
        return sql.SQL(" AND ").join([card_condition(filters), words])

    @property
    def ordering(self) -> Ordering:
        if self.by_likeness:
            return Ordering(
                LIKENESS.format(" ".join(self.words)), _real, descending=True
            )
        return Ordering(
            RANK.format(WORDS.format(self.expression)), _real, descending=True
        )

    @property
    def expression(self) -> str:
        # catalog_words has left no quotes or operators in a word. The last one may be
        # unfinished.
        return " & ".join(f"'{word}'" for word in self.words) + ":*"


@dataclass(frozen=True, slots=True)
class SearchPage:
    search: Search
    total: int
    page: CardPage


def search_cards(
    text: str, *, filters: CardFilters, ordering: Ordering | None, limit: int
) -> SearchPage:
    """Find by words; where none is found, by corrected words; else by likeness of titles.

    ``ordering`` None means by relevance.
    """
    words = split_words(text)
    if not words:
        return SearchPage(Search(()), 0, CardPage(()))
    page = PageRequest(limit)
    attempt = Search(words)
    found = continue_search(attempt, filters=filters, ordering=ordering, page=page)
    if found.total:
        return found
    for attempt in _second_attempts(words):
        second = continue_search(attempt, filters=filters, ordering=ordering, page=page)
        if second.total:
            return second
    return found


def continue_search(
    search: Search,
    *,
    filters: CardFilters,
    ordering: Ordering | None,
    page: PageRequest,
) -> SearchPage:
    if not (search.by_likeness or ordering or page.position) and filters == _NO_FILTERS:
        return _search_plainly(search, page)
    condition = search.condition(filters)
    order = ordering or search.ordering
    statement = HITS.format(
        key=order.key,
        condition=condition,
        beyond=beyond_position(sql.SQL("key"), order, page),
        direction=direction(order, page),
        limit=page.limit + 1,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return _page(search, cursor.fetchall(), page)


def _search_plainly(search: Search, page: PageRequest) -> SearchPage:
    """Find the first page of what nearly everybody asks for: the best of all products."""
    with prepared_cursor() as cursor:
        cursor.execute(
            PLAIN_HITS, {"words": search.expression, "limit": page.limit + 1}
        )
        return _page(search, cursor.fetchall(), page)


def _page(
    search: Search, rows: Sequence[tuple[Any, ...]], page: PageRequest
) -> SearchPage:
    total = rows[0][3] if rows else 0
    return SearchPage(search, total, page_of([row[:3] for row in rows], page))


def split_words(text: str) -> tuple[str, ...]:
    """Fold and split as documents are; words past the bounds are not looked for."""
    with prepared_cursor() as cursor:
        cursor.execute(SPLIT, {"text": text})
        (words,) = cursor.fetchone()
    return tuple(word[:MAX_WORD_LENGTH] for word in (words or [])[:MAX_WORDS])


def _second_attempts(words: tuple[str, ...]) -> Sequence[Search]:
    corrected = _correct(words)
    attempts = [Search(words, by_likeness=True)]
    if corrected != words:
        attempts.insert(0, Search(corrected, is_corrected=True))
    return attempts


def _correct(words: tuple[str, ...]) -> tuple[str, ...]:
    """Replace each word by the likeliest one of the catalogue, where it has a near one."""
    open_words = {
        word
        for word in words
        if len(word) >= MIN_CORRECTED_LENGTH and not any(map(str.isdigit, word))
    }
    with connection.cursor() as cursor:
        cursor.execute(NEAREST, {"words": sorted(open_words)})
        rows = cursor.fetchall()
    best: dict[str, tuple[int, int, str]] = {}
    for given, near, product_count in rows:
        allowed = 1 if len(given) <= ONE_TYPO_LENGTH else 2
        distance = _count_slips(given, near, allowed)
        candidate = (distance, -product_count, near)
        if distance <= allowed and candidate < best.get(given, (allowed + 1, 0, "")):
            best[given] = candidate
    return tuple(best[word][2] if word in best else word for word in words)


def _count_slips(given: str, near: str, allowed: int) -> int:
    """Count letters added, left out, changed or swapped; past ``allowed`` it is any more."""
    pairs = enumerate(zip(given, near, strict=False))
    start = next((i for i, (left, right) in pairs if left != right), None)
    if start is None:
        return abs(len(given) - len(near))
    rest, other = given[start:], near[start:]
    if not allowed:
        return 1
    ways = [(rest[1:], other), (rest, other[1:]), (rest[1:], other[1:])]
    if rest[:2] == other[1::-1]:
        ways.append((rest[2:], other[2:]))
    return 1 + min(_count_slips(*way, allowed - 1) for way in ways)
