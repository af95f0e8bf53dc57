"""The shapes that readers get. PostgreSQL composes the bytes; tests compare the two."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.serializers import MoneyField


class ThumbnailSerializer(serializers.Serializer[Any]):
    url = serializers.CharField()
    alt = serializers.CharField()
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)


class PriceRangeSerializer(serializers.Serializer[Any]):
    min = MoneyField()
    max = MoneyField()


class RatingSerializer(serializers.Serializer[Any]):
    average = serializers.FloatField()
    count = serializers.IntegerField()


class CardSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    title = serializers.CharField()
    vendor = serializers.CharField(allow_null=True)
    thumbnail = ThumbnailSerializer(allow_null=True)
    price = PriceRangeSerializer(allow_null=True)
    compare_at_price = MoneyField(allow_null=True)
    in_stock = serializers.BooleanField()
    rating = RatingSerializer()
    variant_count = serializers.IntegerField()
    default_variant_id = serializers.UUIDField(allow_null=True)


class OptionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    values = serializers.ListField(child=serializers.CharField())


class VariantSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sku = serializers.CharField(allow_null=True)
    barcode = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    options = serializers.DictField(child=serializers.CharField())
    price = MoneyField(allow_null=True)
    compare_at_price = MoneyField(allow_null=True)
    in_stock = serializers.BooleanField()
    weight_grams = serializers.IntegerField(allow_null=True)
    image_id = serializers.UUIDField(allow_null=True)


class ImageSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.CharField()
    alt = serializers.CharField()
    position = serializers.IntegerField()
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)


@extend_schema_field({"type": ["string", "number", "boolean"]})
class StatedValueField(serializers.Field[Any, Any, Any, Any]):
    """A code, a text, a number or true/false, as the attribute's type has it."""

    def to_representation(self, value: Any) -> Any:
        return value


class StatedAttributeSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    value = StatedValueField()
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # a member of this name shadows Field.label


class CategoryLinkSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()


class CollectionLinkSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    title = serializers.CharField()


class SeoSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    description = serializers.CharField()


class ProductSerializer(CardSerializer):
    description_html = serializers.CharField()
    product_type = serializers.CharField()
    options = OptionSerializer(many=True)
    variants = VariantSerializer(many=True)
    images = ImageSerializer(many=True)
    attributes = StatedAttributeSerializer(many=True)
    categories = CategoryLinkSerializer(many=True)
    collections = CollectionLinkSerializer(many=True)
    tags = serializers.ListField(child=serializers.CharField())
    seo = SeoSerializer()
    status = serializers.ChoiceField(choices=["draft", "active", "archived"])
    published_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class SearchResultSerializer(serializers.Serializer[Any]):
    results = CardSerializer(many=True)
    facets = serializers.DictField()
    corrected_query = serializers.CharField(
        allow_null=True, help_text="What was looked for instead, where q found nothing."
    )
    total = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)


class VariantPriceSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    price = MoneyField()
    compare_at_price = MoneyField(allow_null=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Show a row of prices: two amounts in one currency."""
        currency = instance.currency
        was = instance.compare_at_amount
        return {
            "currency": currency,
            "price": {"amount": instance.amount, "currency": currency},
            "compare_at_price": None
            if was is None
            else {"amount": was, "currency": currency},
        }


class VariantDetailSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    product_id = serializers.UUIDField()
    sku = serializers.CharField(allow_null=True)
    barcode = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    options = serializers.DictField(child=serializers.CharField())
    prices = VariantPriceSerializer(many=True)
    in_stock = serializers.BooleanField()
    weight_grams = serializers.IntegerField(allow_null=True)
    image_id = serializers.UUIDField(allow_null=True)
    position = serializers.IntegerField()


class VendorSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()


class CollectionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    title = serializers.CharField()
    description_html = serializers.CharField()
    position = serializers.IntegerField()


class CategorySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    parent_id = serializers.UUIDField(allow_null=True)
    description = serializers.CharField()
    position = serializers.IntegerField()


class CategoryTreeSerializer(CategorySerializer):
    children = serializers.ListField(
        child=serializers.DictField(), help_text="Categories of the same shape."
    )


class AttributeSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    code = serializers.CharField()
    name = serializers.CharField()
    type = serializers.ChoiceField(choices=["text", "number", "boolean", "choice"])
    unit = serializers.CharField()
    is_filterable = serializers.BooleanField()
    position = serializers.IntegerField()


class AttributeValueSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    code = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a member of this name shadows Field.label
    position = serializers.IntegerField()
