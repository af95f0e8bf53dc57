"""The shapes that staff send. Every text and list is bounded."""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog import constants
from catalog.models import Attribute, require_indexable
from core.serializers import BoundedDictField, MoneyField, StrictSerializer

if TYPE_CHECKING:
    from core.money import Money

MAX_POSITION = 1_000_000
MAX_WEIGHT_GRAMS = 100_000_000
SLUG = re.compile(r"\w[\w.-]*")


class SlugField(serializers.CharField):
    """The readable part of an address: letters, digits, ``-``, ``_`` and dots."""

    default_error_messages = {
        "slug": "Give letters, digits, dashes, underscores and dots.",
        "id": "A slug can't look like an id.",
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 200)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        slug = super().to_internal_value(data)
        if not SLUG.fullmatch(slug):
            self.fail("slug")
        if _is_id(slug):
            self.fail("id")
        return slug


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


class CodeField(serializers.RegexField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[A-Za-z0-9_-]+\Z", max_length=64, **kwargs)


class AddressField(serializers.CharField):
    """Where a picture is: an http(s) address, or a path of this shop."""

    default_error_messages = {"address": "Give an http(s) address or a path."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=2048, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data)
        try:
            parts = urlsplit(address)
        except ValueError:
            self.fail("address")
        is_remote = parts.scheme in {"http", "https"} and bool(parts.netloc)
        is_own = not parts.scheme and not parts.netloc and address.startswith("/")
        if not (is_remote or is_own) or re.search(r"[\s<>\"]", address):
            self.fail("address")
        return address


class EntriesField(serializers.ListField):
    """A bounded list of whole entries, also inside a PATCH, where nothing is required."""

    def __init__(self, entry: type[StrictSerializer], **kwargs: Any) -> None:
        self.entry = entry
        super().__init__(child=entry(), required=False, **kwargs)

    def run_child_validation(self, data: list[Any]) -> list[Any]:
        entries = [self.entry(data=given) for given in data]
        errors: dict[Any, Any] = {
            i: e.errors for i, e in enumerate(entries) if not e.is_valid()
        }
        if errors:
            raise serializers.ValidationError(errors)
        return [entry.validated_data for entry in entries]


def _position() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=0, max_value=MAX_POSITION, required=False)


def _text(length: int, **kwargs: Any) -> serializers.CharField:
    return serializers.CharField(
        max_length=length, required=False, allow_blank=True, **kwargs
    )


def _option_value() -> serializers.CharField:
    return serializers.CharField(max_length=255, validators=[require_indexable])


class WritePriceSerializer(StrictSerializer):
    price = MoneyField()
    compare_at_price = MoneyField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        price: Money | None = attrs.get("price")
        other: Money | None = attrs.get("compare_at_price")
        if price and other and price.currency != other.currency:
            raise serializers.ValidationError(
                {"compare_at_price": "Give it in the price's currency."}
            )
        return attrs


class WriteOptionSerializer(StrictSerializer):
    name = serializers.CharField(max_length=100)
    values = serializers.ListField(
        child=_option_value(),
        max_length=constants.MAX_OPTION_VALUES,
        required=False,
        default=list,
    )

    def validate_values(self, values: list[str]) -> list[str]:
        return list(dict.fromkeys(values))


class WriteVariantSerializer(StrictSerializer):
    sku = _text(255)
    barcode = _text(255)
    options = BoundedDictField(
        child=_option_value(), max_members=constants.MAX_OPTIONS, required=False
    )
    weight_grams = serializers.IntegerField(
        min_value=0, max_value=MAX_WEIGHT_GRAMS, required=False, allow_null=True
    )
    image_id = serializers.UUIDField(required=False, allow_null=True)
    position = _position()


class NewVariantSerializer(WriteVariantSerializer):
    prices = EntriesField(WritePriceSerializer, max_length=constants.MAX_PRICES)


class WriteImageSerializer(StrictSerializer):
    url = AddressField()
    alt = _text(512)
    position = _position()
    width = serializers.IntegerField(
        min_value=1, max_value=100_000, required=False, allow_null=True
    )
    height = serializers.IntegerField(
        min_value=1, max_value=100_000, required=False, allow_null=True
    )


@extend_schema_field({"type": ["string", "number", "boolean"]})
class ScalarField(serializers.Field[Any, Any, Any, Any]):
    default_error_messages = {"scalar": "Give a text, a number, true or false."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str | int | float | bool) or data == "":
            self.fail("scalar")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class WriteStatementSerializer(StrictSerializer):
    code = CodeField()
    value = ScalarField()


class WriteSeoSerializer(StrictSerializer):
    title = _text(255)
    description = _text(2000)


class WriteProductSerializer(StrictSerializer):
    title = serializers.CharField(max_length=255)
    slug = SlugField(max_length=255, required=False)
    description_html = _text(constants.MAX_DESCRIPTION)
    vendor_id = serializers.UUIDField(required=False, allow_null=True)
    product_type = _text(200)
    tags = serializers.ListField(
        child=serializers.CharField(max_length=255),
        max_length=constants.MAX_TAGS,
        required=False,
    )
    category_ids = serializers.ListField(
        child=serializers.UUIDField(),
        max_length=constants.MAX_CATEGORIES,
        required=False,
    )
    collection_ids = serializers.ListField(
        child=serializers.UUIDField(),
        max_length=constants.MAX_COLLECTIONS,
        required=False,
    )
    attributes = EntriesField(
        WriteStatementSerializer, max_length=constants.MAX_ATTRIBUTES
    )
    options = EntriesField(WriteOptionSerializer, max_length=constants.MAX_OPTIONS)
    seo = WriteSeoSerializer(required=False)

    def validate_options(self, options: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({option["name"] for option in options}) != len(options):
            raise serializers.ValidationError("Two options have one name.")
        return options

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name, value in attrs.pop("seo", {}).items():
            attrs[f"seo_{name}"] = value
        return attrs


class NewProductSerializer(WriteProductSerializer):
    variants = EntriesField(
        NewVariantSerializer, max_length=constants.MAX_VARIANTS_AT_ONCE
    )
    images = EntriesField(WriteImageSerializer, max_length=constants.MAX_IMAGES)


class WriteVendorSerializer(StrictSerializer):
    name = serializers.CharField(max_length=200)
    slug = SlugField(required=False)


class WriteCollectionSerializer(StrictSerializer):
    title = serializers.CharField(max_length=200)
    slug = SlugField(required=False)
    description_html = _text(constants.MAX_DESCRIPTION)
    position = _position()


class WriteCategorySerializer(StrictSerializer):
    name = serializers.CharField(max_length=200)
    slug = SlugField(required=False)
    parent_id = serializers.UUIDField(required=False, allow_null=True)
    description = _text(10_000)
    position = _position()


class WriteAttributeSerializer(StrictSerializer):
    code = CodeField()
    name = serializers.CharField(max_length=200)
    type = serializers.ChoiceField(choices=Attribute.Type.choices, required=False)
    unit = _text(16)
    is_filterable = serializers.BooleanField(required=False)
    position = _position()


class WriteAttributeValueSerializer(StrictSerializer):
    code = CodeField()
    label = serializers.CharField(max_length=200)  # type: ignore[assignment]  # shadows Field.label
    position = _position()
