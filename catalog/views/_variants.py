from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import selectors, services
from catalog.exceptions import (
    ImageExistsError,
    InUseError,
    OptionsMismatchError,
    PriceExistsError,
    SkuTakenError,
    TooManyError,
    UnknownReferenceError,
    VariantExistsError,
)
from catalog.models import Image, Price, Product, Variant
from catalog.serializers import (
    ImageSerializer,
    NewVariantSerializer,
    VariantDetailSerializer,
    VariantPriceSerializer,
    WriteImageSerializer,
    WritePriceSerializer,
    WriteVariantSerializer,
)
from catalog.views._editing import (
    CONDITIONAL,
    CatalogView,
    actor_id,
    find_by_key,
    tagged,
    validated,
)
from core.conditional import expected_version
from core.exceptions import NotFoundError, ValidationFailedError
from core.money import CurrencyMismatchError
from core.pagination import KeysetPagination

PRICE_EXAMPLE = {
    "currency": "EUR",
    "price": {"amount": 1999, "currency": "EUR"},
    "compare_at_price": None,
}
VARIANT_EXAMPLE = {
    "id": "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a12",
    "product_id": "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11",
    "sku": "MUG-S",
    "barcode": None,
    "title": "S",
    "options": {"Size": "S"},
    "prices": [PRICE_EXAMPLE],
    "in_stock": True,
    "weight_grams": 350,
    "image_id": None,
    "position": 0,
}
IMAGE_EXAMPLE = {
    "id": "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a13",
    "url": "/media/mug.png",
    "alt": "A blue mug",
    "position": 0,
    "width": 800,
    "height": 600,
}
VARIANT_PROBLEMS = (
    NotFoundError,
    ValidationFailedError,
    SkuTakenError,
    VariantExistsError,
    OptionsMismatchError,
    UnknownReferenceError,
    TooManyError,
)


def _shown(value: Any) -> OpenApiExample:
    return OpenApiExample("What is shown", value=value, response_only=True)


def _sent(value: Any) -> OpenApiExample:
    return OpenApiExample("What is sent", value=value, request_only=True)


class VariantListView(CatalogView):
    subject = "variant"
    serializer_class = VariantDetailSerializer
    problems = VARIANT_PROBLEMS

    @extend_schema(
        summary="Add a variant to a product",
        request=NewVariantSerializer,
        responses={201: VariantDetailSerializer},
        examples=[
            _shown(VARIANT_EXAMPLE),
            _sent(
                {
                    "sku": "MUG-S",
                    "options": {"Size": "S"},
                    "prices": [{"price": PRICE_EXAMPLE["price"]}],
                }
            ),
        ],
    )
    def post(self, request: Request, key: str) -> Response:
        fields = validated(NewVariantSerializer, request)
        product = find_by_key(Product.objects.all(), key)
        variant = services.add_variant(
            product.pk, fields=fields, actor_id=actor_id(request)
        )
        return _variant_response(variant, status=201)


def _variant_response(variant: Variant, *, status: int = 200) -> Response:
    shown = VariantDetailSerializer(selectors.variant_detail(variant)).data
    location = f"/api/v1/variants/{variant.pk}" if status == CREATED else ""
    return tagged(shown, variant.version, status=status, location=location)


CREATED = 201


class VariantView(CatalogView):
    subject = "variant"
    serializer_class = VariantDetailSerializer
    problems = {
        "get": (NotFoundError,),
        "patch": (*VARIANT_PROBLEMS, *CONDITIONAL),
        "delete": (NotFoundError, InUseError, *CONDITIONAL),
    }

    @extend_schema(
        summary="Read a variant",
        responses=VariantDetailSerializer,
        examples=[_shown(VARIANT_EXAMPLE)],
    )
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        variants = selectors.published_variants(is_staff=self.is_staff())
        return _variant_response(find_by_key(variants, str(pk)))

    @extend_schema(
        summary="Change a variant",
        request=WriteVariantSerializer,
        responses=VariantDetailSerializer,
        examples=[_shown(VARIANT_EXAMPLE), _sent({"weight_grams": 350})],
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        version = expected_version(request)
        changes = validated(WriteVariantSerializer, request, partial=True)
        variant = services.change_variant(
            pk, version=version, changes=changes, actor_id=actor_id(request)
        )
        return _variant_response(variant)

    @extend_schema(summary="Delete a variant", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        version = expected_version(request)
        services.delete_variant(pk, version=version, actor_id=actor_id(request))
        return Response(status=204)


class PriceListView(CatalogView):
    subject = "price"
    serializer_class = VariantPriceSerializer
    pagination_class = KeysetPagination
    ordering = ("currency", "id")
    problems = {
        "get": (NotFoundError,),
        "post": (
            NotFoundError,
            ValidationFailedError,
            PriceExistsError,
            CurrencyMismatchError,
        ),
    }

    @extend_schema(
        summary="List a variant's prices",
        responses=VariantPriceSerializer(many=True),
        examples=[_shown(PRICE_EXAMPLE)],
    )
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        is_staff = self.request.user.has_perm("catalog.view_price")
        variants = selectors.published_variants(is_staff=is_staff)
        variant = find_by_key(variants, str(pk))
        rows = selectors.prices_of(variant.pk, is_staff=is_staff)
        return self.page(rows, VariantPriceSerializer)

    @extend_schema(
        summary="Add a price in another currency",
        request=WritePriceSerializer,
        responses={201: VariantPriceSerializer},
        examples=[
            _shown(PRICE_EXAMPLE),
            _sent({"price": PRICE_EXAMPLE["price"]}),
        ],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        fields = validated(WritePriceSerializer, request)
        price = services.add_price(pk, fields=fields, actor_id=actor_id(request))
        return tagged(
            VariantPriceSerializer(price).data,
            price.version,
            status=201,
            location=f"{request.path}/{price.currency}",
        )


class PriceView(CatalogView):
    subject = "price"
    serializer_class = VariantPriceSerializer
    problems = {
        "get": (NotFoundError,),
        "patch": (
            NotFoundError,
            ValidationFailedError,
            CurrencyMismatchError,
            *CONDITIONAL,
        ),
        "delete": (NotFoundError, *CONDITIONAL),
    }

    @extend_schema(
        summary="Read a variant's price in a currency",
        responses=VariantPriceSerializer,
        examples=[_shown(PRICE_EXAMPLE)],
    )
    def get(self, request: Request, pk: UUID, currency: str) -> Response:  # noqa: ARG002 -- DRF's signature
        rows = selectors.prices_of(pk, is_staff=self.is_staff())
        price = find_by_key(rows, currency, name="currency")
        return tagged(VariantPriceSerializer(price).data, price.version)

    @extend_schema(
        summary="Change a price",
        request=WritePriceSerializer,
        responses=VariantPriceSerializer,
        examples=[
            _shown(PRICE_EXAMPLE),
            _sent({"price": PRICE_EXAMPLE["price"]}),
        ],
    )
    def patch(self, request: Request, pk: UUID, currency: str) -> Response:
        version = expected_version(request)
        changes = validated(WritePriceSerializer, request, partial=True)
        price: Price = services.change_price(
            pk,
            currency,
            version=version,
            changes=changes,
            actor_id=actor_id(request),
        )
        return tagged(VariantPriceSerializer(price).data, price.version)

    @extend_schema(summary="Delete a price", responses={204: None})
    def delete(self, request: Request, pk: UUID, currency: str) -> Response:
        version = expected_version(request)
        services.delete_price(pk, currency, version=version, actor_id=actor_id(request))
        return Response(status=204)


class ImageListView(CatalogView):
    subject = "image"
    serializer_class = ImageSerializer
    problems = (NotFoundError, ValidationFailedError, ImageExistsError, TooManyError)

    @extend_schema(
        summary="Add a picture to a product",
        request=WriteImageSerializer,
        responses={201: ImageSerializer},
        examples=[_shown(IMAGE_EXAMPLE), _sent({"url": "/media/mug.png"})],
    )
    def post(self, request: Request, key: str) -> Response:
        fields = validated(WriteImageSerializer, request)
        product = find_by_key(Product.objects.all(), key)
        image = services.add_image(
            product.pk, fields=fields, actor_id=actor_id(request)
        )
        return tagged(
            ImageSerializer(image).data,
            image.version,
            status=201,
            location=f"/api/v1/images/{image.pk}",
        )


class ImageView(CatalogView):
    subject = "image"
    serializer_class = ImageSerializer
    problems = {
        "get": (NotFoundError,),
        "patch": (
            NotFoundError,
            ValidationFailedError,
            ImageExistsError,
            *CONDITIONAL,
        ),
        "delete": (NotFoundError, *CONDITIONAL),
    }

    @extend_schema(
        summary="Read a picture",
        responses=ImageSerializer,
        examples=[_shown(IMAGE_EXAMPLE)],
    )
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002 -- DRF's signature
        images = selectors.published_images(is_staff=self.is_staff())
        image: Image = find_by_key(images, str(pk))
        return tagged(ImageSerializer(image).data, image.version)

    @extend_schema(
        summary="Change a picture",
        request=WriteImageSerializer,
        responses=ImageSerializer,
        examples=[_shown(IMAGE_EXAMPLE), _sent({"position": 0})],
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        version = expected_version(request)
        changes = validated(WriteImageSerializer, request, partial=True)
        image = services.change_image(
            pk, version=version, changes=changes, actor_id=actor_id(request)
        )
        return tagged(ImageSerializer(image).data, image.version)

    @extend_schema(summary="Delete a picture", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        version = expected_version(request)
        services.delete_image(pk, version=version, actor_id=actor_id(request))
        return Response(status=204)
