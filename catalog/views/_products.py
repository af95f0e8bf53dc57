from uuid import UUID

from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from catalog import selectors
from catalog.filters import parse_card_filters, parse_currency, parse_ordering
from catalog.selectors import ORDERINGS, PageRequest
from catalog.serializers import CardSerializer, ProductSerializer
from core.conditional import set_etag
from core.exceptions import NotFoundError
from core.pagination import (
    Cursor,
    list_scope,
    page_response,
    parse_cursor,
    parse_flag,
    parse_limit,
)
from core.permissions import Anyone
from core.views import ApiView

JSON = "application/json"
UUID_LENGTH = 36


class ProductListView(ApiView):
    permission_classes = [Anyone]
    serializer_class = CardSerializer

    @extend_schema(summary="List products", responses=CardSerializer(many=True))
    def get(self, request: Request) -> HttpResponse:
        return list_products(request)


def list_products(request: Request | HttpRequest) -> HttpResponse:
    filters = parse_card_filters(request.GET, besides=frozenset({"ordering"}))
    ordering = parse_ordering(request.GET, default="newest")
    scope = list_scope(request)
    page = selectors.list_cards(
        filters=filters,
        ordering=ORDERINGS[ordering],
        page=page_request(request, parse_cursor(request, scope=scope)),
    )
    wants_count = parse_flag(request, "count")
    return page_response(
        request,
        [card.encode() for card in page.cards],
        next_position=page.next,
        previous_position=page.previous,
        scope=scope,
        count=selectors.count_cards(filters) if wants_count else None,
    )


def page_request(request: Request | HttpRequest, cursor: Cursor | None) -> PageRequest:
    limit = parse_limit(request)
    if cursor is None:
        return PageRequest(limit)
    key, product_id = cursor.position[-2:]
    return PageRequest(limit, (key, product_id), cursor.backwards)


class ProductView(ApiView):
    permission_classes = [Anyone]
    serializer_class = ProductSerializer
    query_params = {"currency"}

    @extend_schema(summary="Read a product", responses=ProductSerializer)
    def get(self, request: Request, key: str) -> HttpResponse:
        document = selectors.find_product_document(
            as_key(key),
            currency=parse_currency(request.GET),
            is_staff=request.user.has_perm("catalog.view_product"),
        )
        if document is None:
            raise NotFoundError
        response = HttpResponse(document.content, content_type=JSON)
        set_etag(response, document.version)
        return response


def as_key(text: str) -> UUID | str:
    """Read an id where the text is one, else take it for a slug."""
    try:
        return UUID(text) if len(text) == UUID_LENGTH else text
    except ValueError:
        return text
