from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import selectors, services
from catalog.exceptions import (
    AttributeTypeFixedError,
    CategoryCycleError,
    CategoryTooDeepError,
    CodeTakenError,
    InUseError,
    SlugTakenError,
    UnknownReferenceError,
)
from catalog.filters import parse_bool
from catalog.models import (
    Attribute,
    AttributeValue,
    CatalogModel,
    Category,
    Collection,
    Vendor,
)
from catalog.serializers import (
    AttributeSerializer,
    AttributeValueSerializer,
    CategorySerializer,
    CategoryTreeSerializer,
    CollectionSerializer,
    VendorSerializer,
    WriteAttributeSerializer,
    WriteAttributeValueSerializer,
    WriteCategorySerializer,
    WriteCollectionSerializer,
    WriteVendorSerializer,
)
from catalog.views._editing import (
    CONDITIONAL,
    CatalogView,
    actor_id,
    find_by_key,
    parse_choice,
    parse_text,
    tagged,
    validated,
)
from core.conditional import expected_version
from core.exceptions import NotFoundError, ValidationFailedError
from core.pagination import KeysetPagination

View = TypeVar("View", bound=type[CatalogView])
ID = "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11"
TEXT_PARAMETER = OpenApiParameter("q", str, description="A part of the name or code.")


def described(
    noun: str,
    shape: Any,
    write: Any,
    example: dict[str, Any],
    *,
    listed: str = "",
    parameters: tuple[OpenApiParameter, ...] = (),
) -> Callable[[View], View]:
    """Describe a view's operations; ``listed`` is the plural where GET answers a list."""
    shown = [OpenApiExample(noun.capitalize(), value=example, response_only=True)]
    sent = {name: value for name, value in example.items() if name not in HIDDEN}
    both = [*shown, OpenApiExample("What is sent", value=sent, request_only=True)]
    operations = {
        "get": extend_schema(
            summary=f"List {listed}" if listed else f"Read {noun}",
            responses=shape(many=True) if listed else shape,
            parameters=list(parameters),
            examples=shown,
        ),
        "post": extend_schema(
            summary=f"Create {noun}",
            request=write,
            responses={201: shape},
            examples=both,
        ),
        "patch": extend_schema(
            summary=f"Change {noun}", request=write, responses=shape, examples=both
        ),
        "delete": extend_schema(summary=f"Delete {noun}", responses={204: None}),
    }

    def describe(view: View) -> View:
        own = {name: op for name, op in operations.items() if hasattr(view, name)}
        return extend_schema_view(**own)(view)

    return describe


HIDDEN = {"id", "children"}


SLUG_PROBLEMS = {
    "post": (SlugTakenError, ValidationFailedError),
    "patch": (NotFoundError, SlugTakenError, ValidationFailedError, *CONDITIONAL),
    "delete": (NotFoundError, InUseError, *CONDITIONAL),
    "get": (NotFoundError,),
}
CODE_PROBLEMS = {
    "post": (CodeTakenError, NotFoundError, ValidationFailedError),
    "patch": (
        NotFoundError,
        CodeTakenError,
        AttributeTypeFixedError,
        ValidationFailedError,
        *CONDITIONAL,
    ),
    "delete": (NotFoundError, InUseError, *CONDITIONAL),
    "get": (NotFoundError,),
}


class EntryListView(CatalogView):
    """The vendors, collections, attributes, or an attribute's values."""

    model: ClassVar[type[CatalogModel]]
    serializer_class: ClassVar[Any]
    write_serializer_class: ClassVar[Any]
    key_name: ClassVar[str] = "slug"
    query_params: ClassVar[Any] = ("q",)
    pagination_class = KeysetPagination

    def rows(self, request: Request) -> QuerySet[Any]:
        raise NotImplementedError

    def belonging(self) -> dict[str, Any]:
        """Say what a new entry belongs to."""
        return {}

    def get(self, request: Request, **path: str) -> Response:  # noqa: ARG002 -- DRF's signature
        return self.page(self.rows(request), self.serializer_class)

    def post(self, request: Request, **path: str) -> Response:  # noqa: ARG002 -- DRF's signature
        fields = validated(self.write_serializer_class, request)
        entry = services.create_entry(
            self.model,
            fields={**fields, **self.belonging()},
            actor_id=actor_id(request),
        )
        return tagged(
            self.serializer_class(entry).data,
            entry.version,
            status=201,
            location=f"{request.path}/{getattr(entry, self.key_name)}",
        )


class EntryView(CatalogView):
    """One vendor, collection, attribute or value."""

    model: ClassVar[type[CatalogModel]]
    serializer_class: ClassVar[Any]
    write_serializer_class: ClassVar[Any]
    key_name: ClassVar[str] = "slug"

    def find(self) -> Any:
        rows = self.model._default_manager.all()  # noqa: SLF001 -- Django documents it
        return find_by_key(rows, self.kwargs["key"], name=self.key_name)

    def get(self, request: Request, **path: str) -> Response:  # noqa: ARG002 -- DRF's signature
        entry = self.find()
        return tagged(self.serializer_class(entry).data, entry.version)

    def patch(self, request: Request, **path: str) -> Response:  # noqa: ARG002 -- DRF's signature
        version = expected_version(request)
        changes = validated(self.write_serializer_class, request, partial=True)
        entry = services.change_entry(
            self.model,
            self.find().pk,
            version=version,
            changes=changes,
            actor_id=actor_id(request),
        )
        return tagged(self.serializer_class(entry).data, entry.version)

    def delete(self, request: Request, **path: str) -> Response:  # noqa: ARG002 -- DRF's signature
        version = expected_version(request)
        pk = self.find().pk
        services.delete_entry(
            self.model, pk, version=version, actor_id=actor_id(request)
        )
        return Response(status=204)


VENDOR = ("a vendor", VendorSerializer, WriteVendorSerializer)
VENDOR_EXAMPLE = {"id": ID, "slug": "acme", "name": "Acme"}


@described(*VENDOR, VENDOR_EXAMPLE, listed="vendors", parameters=(TEXT_PARAMETER,))
class VendorListView(EntryListView):
    subject = "vendor"
    model = Vendor
    serializer_class = VendorSerializer
    write_serializer_class = WriteVendorSerializer
    ordering = ("name", "id")
    problems = SLUG_PROBLEMS

    def rows(self, request: Request) -> QuerySet[Vendor]:
        return selectors.vendors(text=parse_text(request))


@described(*VENDOR, VENDOR_EXAMPLE)
class VendorView(EntryView):
    subject = "vendor"
    model = Vendor
    serializer_class = VendorSerializer
    write_serializer_class = WriteVendorSerializer
    problems = SLUG_PROBLEMS


COLLECTION = ("a collection", CollectionSerializer, WriteCollectionSerializer)
COLLECTION_EXAMPLE = {
    "id": ID,
    "slug": "summer",
    "title": "Summer",
    "description_html": "<p>Light things.</p>",
    "position": 0,
}


@described(
    *COLLECTION, COLLECTION_EXAMPLE, listed="collections", parameters=(TEXT_PARAMETER,)
)
class CollectionListView(EntryListView):
    subject = "collection"
    model = Collection
    serializer_class = CollectionSerializer
    write_serializer_class = WriteCollectionSerializer
    ordering = ("position", "id")
    problems = SLUG_PROBLEMS

    def rows(self, request: Request) -> QuerySet[Collection]:
        return selectors.collections(text=parse_text(request))


@described(*COLLECTION, COLLECTION_EXAMPLE)
class CollectionView(EntryView):
    subject = "collection"
    model = Collection
    serializer_class = CollectionSerializer
    write_serializer_class = WriteCollectionSerializer
    problems = SLUG_PROBLEMS


ATTRIBUTE = ("an attribute", AttributeSerializer, WriteAttributeSerializer)
ATTRIBUTE_EXAMPLE = {
    "id": ID,
    "code": "material",
    "name": "Material",
    "type": "choice",
    "unit": "",
    "is_filterable": True,
    "position": 0,
}


@described(
    *ATTRIBUTE,
    ATTRIBUTE_EXAMPLE,
    listed="attributes",
    parameters=(
        TEXT_PARAMETER,
        OpenApiParameter("type", str, enum=Attribute.Type.values),
        OpenApiParameter("is_filterable", bool),
    ),
)
class AttributeListView(EntryListView):
    subject = "attribute"
    model = Attribute
    serializer_class = AttributeSerializer
    write_serializer_class = WriteAttributeSerializer
    key_name = "code"
    ordering = ("position", "id")
    query_params = ("q", "type", "is_filterable")
    problems = CODE_PROBLEMS

    def rows(self, request: Request) -> QuerySet[Attribute]:
        return selectors.attributes(
            text=parse_text(request),
            type_=parse_choice(request, "type", Attribute.Type.values),
            is_filterable=parse_bool(request.GET, "is_filterable"),
        )


@described(*ATTRIBUTE, ATTRIBUTE_EXAMPLE)
class AttributeView(EntryView):
    subject = "attribute"
    model = Attribute
    serializer_class = AttributeSerializer
    write_serializer_class = WriteAttributeSerializer
    key_name = "code"
    problems = CODE_PROBLEMS


def _attribute(key: str) -> Attribute:
    found: Attribute = find_by_key(Attribute.objects.all(), key, name="code")
    return found


VALUE = ("a value", AttributeValueSerializer, WriteAttributeValueSerializer)
VALUE_EXAMPLE = {"id": ID, "code": "wool", "label": "Wool", "position": 0}


@described(*VALUE, VALUE_EXAMPLE, listed="values", parameters=(TEXT_PARAMETER,))
class AttributeValueListView(EntryListView):
    subject = "attributevalue"
    model = AttributeValue
    serializer_class = AttributeValueSerializer
    write_serializer_class = WriteAttributeValueSerializer
    key_name = "code"
    ordering = ("position", "id")
    problems = CODE_PROBLEMS | {"get": (NotFoundError,)}

    def rows(self, request: Request) -> QuerySet[AttributeValue]:
        attribute = _attribute(self.kwargs["key"])
        return selectors.attribute_values(attribute, text=parse_text(request))

    def belonging(self) -> dict[str, Any]:
        return {"attribute": _attribute(self.kwargs["key"])}


@described(*VALUE, VALUE_EXAMPLE)
class AttributeValueView(EntryView):
    subject = "attributevalue"
    model = AttributeValue
    serializer_class = AttributeValueSerializer
    write_serializer_class = WriteAttributeValueSerializer
    key_name = "code"
    problems = CODE_PROBLEMS

    def find(self) -> AttributeValue:
        attribute = _attribute(self.kwargs["key"])
        found: AttributeValue = find_by_key(
            AttributeValue.objects.filter(attribute=attribute),
            self.kwargs["value"],
            name="code",
        )
        return found


CATEGORY = ("a category", CategorySerializer, WriteCategorySerializer)
CATEGORY_EXAMPLE = {
    "id": ID,
    "slug": "cups",
    "name": "Cups",
    "parent_id": None,
    "description": "",
    "position": 0,
}
PLACE_PROBLEMS = (CategoryTooDeepError, UnknownReferenceError)


class CategoryListView(CatalogView):
    subject = "category"
    serializer_class = CategoryTreeSerializer
    problems = {"post": (*SLUG_PROBLEMS["post"], *PLACE_PROBLEMS)}

    @extend_schema(
        summary="Read the tree of categories",
        responses=CategoryTreeSerializer(many=True),
        examples=[
            OpenApiExample(
                "A root without children",
                value=CATEGORY_EXAMPLE | {"children": []},
                response_only=True,
            )
        ],
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 -- DRF's signature
        tree = selectors.category_tree()
        return Response({"next": None, "previous": None, "results": tree})

    @extend_schema(
        summary="Create a category",
        request=WriteCategorySerializer,
        responses={201: CategorySerializer},
        examples=[
            OpenApiExample("Cups", value=CATEGORY_EXAMPLE, response_only=True),
            OpenApiExample("A root", value={"name": "Cups"}, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        fields = validated(WriteCategorySerializer, request)
        category = services.create_category(fields=fields, actor_id=actor_id(request))
        return tagged(
            CategorySerializer(category).data,
            category.version,
            status=201,
            location=f"{request.path}/{category.slug}",
        )


@described(*CATEGORY, CATEGORY_EXAMPLE)
class CategoryView(EntryView):
    subject = "category"
    model = Category
    serializer_class = CategorySerializer
    problems = SLUG_PROBLEMS | {
        "patch": (*SLUG_PROBLEMS["patch"], *PLACE_PROBLEMS, CategoryCycleError)
    }

    def patch(self, request: Request, **path: str) -> Response:  # noqa: ARG002 -- DRF's signature
        version = expected_version(request)
        changes = validated(WriteCategorySerializer, request, partial=True)
        category = services.change_category(
            self.find().pk,
            version=version,
            changes=changes,
            actor_id=actor_id(request),
        )
        return tagged(CategorySerializer(category).data, category.version)

    def delete(self, request: Request, **path: str) -> Response:  # noqa: ARG002 -- DRF's signature
        version = expected_version(request)
        services.delete_category(
            self.find().pk, version=version, actor_id=actor_id(request)
        )
        return Response(status=204)
