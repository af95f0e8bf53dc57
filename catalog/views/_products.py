from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import selectors, services
from catalog.exceptions import (
    AttributeValueMismatchError,
    ImageExistsError,
    InUseError,
    OptionsMismatchError,
    ProductTransitionError,
    SkuTakenError,
    SlugTakenError,
    TooManyError,
    UnknownReferenceError,
    VariantExistsError,
)
from catalog.filters import parse_card_filters, parse_currency, parse_ordering
from catalog.models import Product
from catalog.selectors import ORDERINGS, PageRequest
from catalog.serializers import (
    CardSerializer,
    NewProductSerializer,
    ProductSerializer,
    WriteProductSerializer,
)
from catalog.views._editing import (
    CONDITIONAL,
    CatalogView,
    actor_id,
    as_key,
    find_by_key,
    validated,
)
from core.conditional import expected_version, set_etag
from core.exceptions import InvalidParameterError, NotFoundError, ValidationFailedError
from core.pagination import (
    PAGE_PARAMS,
    Cursor,
    InvalidCursorError,
    KeysetPagination,
    list_scope,
    page_response,
    parse_cursor,
    parse_flag,
    parse_limit,
)

JSON = "application/json"
CARD_EXAMPLE = {
    "id": "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11",
    "slug": "blue-mug",
    "title": "Blue mug",
    "vendor": "Acme",
    "thumbnail": {"url": "/media/mug.png", "alt": "", "width": 800, "height": 600},
    "price": {
        "min": {"amount": 1999, "currency": "EUR"},
        "max": {"amount": 2499, "currency": "EUR"},
    },
    "compare_at_price": None,
    "in_stock": True,
    "rating": {"average": 0.0, "count": 0},
    "variant_count": 2,
    "default_variant_id": "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a12",
}
PRODUCT_EXAMPLE = CARD_EXAMPLE | {
    "description_html": "<p>Holds coffee.</p>",
    "product_type": "Cups",
    "options": [{"name": "Size", "values": ["S", "L"]}],
    "variants": [],
    "images": [],
    "attributes": [],
    "categories": [],
    "collections": [],
    "tags": ["new"],
    "seo": {"title": "", "description": ""},
    "status": "active",
    "published_at": "2026-11-20T09:30:00.000000Z",
    "created_at": "2026-11-20T09:00:00.000000Z",
    "updated_at": "2026-11-20T09:30:00.000000Z",
}
NEW_PRODUCT_EXAMPLE = {
    "title": "Blue mug",
    "options": [{"name": "Size"}],
    "variants": [
        {
            "sku": "MUG-S",
            "options": {"Size": "S"},
            "prices": [{"price": {"amount": 1999, "currency": "EUR"}}],
        }
    ],
}
SHOWN = OpenApiExample("Blue mug", value=PRODUCT_EXAMPLE, response_only=True)
CURRENCY_PARAMETER = OpenApiParameter(
    "currency", str, description="ISO 4217; without it, the shop's own."
)
SLUGS = "Repeat it for alternatives."
FILTER_PARAMETERS = [
    OpenApiParameter("category", str, many=True, description=f"Slugs. {SLUGS}"),
    OpenApiParameter("collection", str, many=True, description=f"Slugs. {SLUGS}"),
    OpenApiParameter("vendor", str, many=True, description=f"Slugs. {SLUGS}"),
    OpenApiParameter("tag", str, many=True, description=SLUGS),
    OpenApiParameter("min_price", int, description="In minor units."),
    OpenApiParameter("max_price", int, description="In minor units."),
    CURRENCY_PARAMETER,
    OpenApiParameter("in_stock", bool),
    OpenApiParameter("rating", float, description="At least this average."),
    OpenApiParameter(
        "option.<Name>", str, many=True, description="Such as option.Color."
    ),
    OpenApiParameter(
        "attribute.<code>", str, many=True, description="Such as attribute.material."
    ),
]
CONTENT_PROBLEMS = (
    ValidationFailedError,
    SlugTakenError,
    UnknownReferenceError,
    OptionsMismatchError,
    AttributeValueMismatchError,
)


class ProductListView(CatalogView):
    subject = "product"
    serializer_class = CardSerializer
    pagination_class = KeysetPagination
    # The filters' names are open, so they are checked where they are read.
    query_params = None
    problems = {
        "get": (InvalidParameterError, InvalidCursorError),
        "post": (
            *CONTENT_PROBLEMS,
            SkuTakenError,
            VariantExistsError,
            ImageExistsError,
            TooManyError,
        ),
    }

    @extend_schema(
        summary="List products",
        responses=CardSerializer(many=True),
        parameters=[
            *FILTER_PARAMETERS,
            OpenApiParameter("ordering", str, enum=list(ORDERINGS), default="newest"),
        ],
        examples=[OpenApiExample("A card", value=CARD_EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> HttpResponse:
        return list_products(request)

    @extend_schema(
        summary="Create a product",
        description="As a draft, with its variants, prices and pictures.",
        request=NewProductSerializer,
        responses={201: ProductSerializer},
        examples=[
            SHOWN,
            OpenApiExample("A new mug", value=NEW_PRODUCT_EXAMPLE, request_only=True),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        fields = validated(NewProductSerializer, request)
        product = services.create_product(fields=fields, actor_id=actor_id(request))
        response = product_response(product.pk, is_staff=True, status=201)
        response.headers["Location"] = f"{request.path}/{product.slug}"
        return response


def list_products(request: Request | HttpRequest) -> HttpResponse:
    filters = parse_card_filters(request.GET, besides=PAGE_PARAMS | {"ordering"})
    ordering = parse_ordering(request.GET, default="newest")
    wants_count = parse_flag(request, "count")
    scope = list_scope(request)
    page = selectors.list_cards(
        filters=filters,
        ordering=ORDERINGS[ordering],
        page=page_request(request, parse_cursor(request, scope=scope)),
    )
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


def product_response(
    key: UUID | str, *, currency: str = "", is_staff: bool, status: int = 200
) -> HttpResponse:
    document = selectors.find_product_document(
        key, currency=currency, is_staff=is_staff
    )
    if document is None:
        raise NotFoundError
    response = HttpResponse(document.content, content_type=JSON, status=status)
    set_etag(response, document.version)
    return response


class ProductView(CatalogView):
    subject = "product"
    serializer_class = ProductSerializer
    query_params = ("currency",)
    problems = {
        "get": (NotFoundError, InvalidParameterError),
        "patch": (NotFoundError, *CONTENT_PROBLEMS, *CONDITIONAL),
        "delete": (NotFoundError, InUseError, *CONDITIONAL),
    }

    @extend_schema(
        summary="Read a product",
        description="By its id or slug. Drafts and archived ones are for staff.",
        responses=ProductSerializer,
        parameters=[CURRENCY_PARAMETER],
        examples=[SHOWN],
    )
    def get(self, request: Request, key: str) -> HttpResponse:
        return product_response(
            as_key(key),
            currency=parse_currency(request.GET),
            is_staff=self.is_staff(),
        )

    @extend_schema(
        summary="Change a product",
        description="Lists that are given replace the old ones.",
        request=WriteProductSerializer,
        responses=ProductSerializer,
        examples=[
            SHOWN,
            OpenApiExample("A title", value={"title": "Blue mug"}, request_only=True),
        ],
    )
    def patch(self, request: Request, key: str) -> HttpResponse:
        version = expected_version(request)
        changes = validated(WriteProductSerializer, request, partial=True)
        pk = find_by_key(Product.objects.all(), key).pk
        services.change_product(
            pk, version=version, changes=changes, actor_id=actor_id(request)
        )
        return product_response(pk, is_staff=True)

    @extend_schema(
        summary="Delete a product",
        description="Only one that was never in stock or sold; others are archived.",
        responses={204: None},
    )
    def delete(self, request: Request, key: str) -> Response:
        version = expected_version(request)
        pk = find_by_key(Product.objects.all(), key).pk
        services.delete_product(pk, version=version, actor_id=actor_id(request))
        return Response(status=204)


class PublishProductView(CatalogView):
    subject = "product"
    verbs = {"POST": "change"}
    serializer_class = ProductSerializer
    problems = (NotFoundError, ProductTransitionError)

    @extend_schema(
        summary="Publish a product",
        request=None,
        responses=ProductSerializer,
        examples=[SHOWN],
    )
    def post(self, request: Request, key: str) -> HttpResponse:
        pk = find_by_key(Product.objects.all(), key).pk
        services.publish_product(pk, now=timezone.now(), actor_id=actor_id(request))
        return product_response(pk, is_staff=True)


class ArchiveProductView(CatalogView):
    subject = "product"
    verbs = {"POST": "change"}
    serializer_class = ProductSerializer
    problems = (NotFoundError, ProductTransitionError)

    @extend_schema(
        summary="Archive a product",
        request=None,
        responses=ProductSerializer,
        examples=[
            OpenApiExample(
                "No longer shown",
                value=PRODUCT_EXAMPLE | {"status": "archived"},
                response_only=True,
            )
        ],
    )
    def post(self, request: Request, key: str) -> HttpResponse:
        pk = find_by_key(Product.objects.all(), key).pk
        services.archive_product(pk, now=timezone.now(), actor_id=actor_id(request))
        return product_response(pk, is_staff=True)
