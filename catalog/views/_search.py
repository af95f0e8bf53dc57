from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, QueryDict
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request

from catalog import selectors
from catalog.filters import parse_card_filters, parse_ordering
from catalog.selectors import ORDERINGS, Search, SearchPage
from catalog.serializers import CardSerializer, SearchResultSerializer
from catalog.views._products import (
    CARD_EXAMPLE,
    FILTER_PARAMETERS,
    JSON,
    page_request,
)
from core.exceptions import InvalidParameterError, UnknownParameterError
from core.pagination import InvalidCursorError, list_scope, page_links, parse_cursor
from core.permissions import Anyone
from core.sparse import parse_member_names, select_members
from core.views import ApiView

MAX_QUERY_LENGTH = 200
RELEVANCE = "relevance"
# It always answers the total: there is no count to ask for.
SEARCH_PARAMS = frozenset({"q", "ordering", "cursor", "limit", "fields"})


class SearchView(ApiView):
    permission_classes = [Anyone]
    serializer_class = CardSerializer
    # As in the list of products.
    query_params = None
    problems = (InvalidParameterError, UnknownParameterError, InvalidCursorError)

    @extend_schema(
        summary="Search products",
        description="All words must occur, the last one may be unfinished. Where they "
        "find nothing, near words of the catalogue are looked for instead.",
        responses=SearchResultSerializer,
        parameters=[
            OpenApiParameter("q", str, required=True),
            *FILTER_PARAMETERS,
            OpenApiParameter(
                "ordering", str, enum=[RELEVANCE, *ORDERINGS], default=RELEVANCE
            ),
        ],
        examples=[
            OpenApiExample(
                "mgu",
                value={
                    "results": [CARD_EXAMPLE],
                    "facets": {},
                    "corrected_query": "mug",
                    "total": 1,
                    "next": None,
                },
                response_only=True,
            )
        ],
    )
    def get(self, request: Request) -> HttpResponse:
        return search_products(request)


def search_products(request: Request | HttpRequest) -> HttpResponse:
    text = parse_query(request.GET)
    filters = parse_card_filters(request.GET, besides=SEARCH_PARAMS)
    ordering = ORDERINGS.get(parse_ordering(request.GET, default=RELEVANCE))
    scope = list_scope(request)
    cursor = parse_cursor(request, scope=scope)
    page = page_request(request, cursor)
    if cursor is None:
        found = selectors.search_cards(
            text, filters=filters, ordering=ordering, limit=page.limit
        )
    else:
        words, is_corrected, by_likeness = cursor.position[:3]
        search = Search(tuple(words), is_corrected, by_likeness)
        found = selectors.continue_search(
            search, filters=filters, ordering=ordering, page=page
        )
    return search_response(request, found, scope=scope)


def parse_query(params: QueryDict) -> str:
    text = params.get("q", "")
    if not text.strip() or len(text) > MAX_QUERY_LENGTH:
        raise InvalidParameterError(
            f"Say what to look for, in at most {MAX_QUERY_LENGTH} characters.",
            parameter="q",
        )
    return text


def search_response(
    request: Request | HttpRequest, found: SearchPage, *, scope: str
) -> HttpResponse:
    search = found.search
    position: list[Any] | None = None
    if found.page.next:
        settled = [list(search.words), search.is_corrected, search.by_likeness]
        position = [*settled, *found.page.next]
    links = page_links(
        request, next_position=position, previous_position=None, scope=scope
    )
    tail: dict[str, Any] = {
        "facets": {},
        "corrected_query": " ".join(search.words) if search.is_corrected else None,
        "total": found.total,
        "next": links.next,
    }
    body = b'{"results":[%b],%b' % (
        b",".join(_results(request, found)),
        orjson.dumps(tail)[1:],
    )
    response = HttpResponse(body, content_type=JSON)
    if links.next:
        response.headers["Link"] = links.header()
    return response


def _results(request: Request | HttpRequest, found: SearchPage) -> list[bytes]:
    cards = [card.encode() for card in found.page.cards]
    if "fields" not in request.GET:
        return cards
    names = parse_member_names(request.GET["fields"])
    return [orjson.dumps(select_members(orjson.loads(card), names)) for card in cards]
