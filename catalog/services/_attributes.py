from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from catalog.exceptions import AttributeValueMismatchError, UnknownReferenceError
from catalog.models import Attribute, AttributeValue, ProductAttribute

MAX_TEXT = 1000
MAX_NUMBER = Decimal(10) ** 12
SIX_DECIMALS = Decimal("0.000001")


def state_attributes(product_id: UUID, stated: Sequence[Mapping[str, Any]]) -> None:
    """Replace all that is said about a product; each entry is ``{code, value}``.

    A choice may be stated several times, with several values.
    """
    codes = {entry["code"] for entry in stated}
    found = Attribute.objects.filter(code__in=codes).prefetch_related("values")
    attributes = {attribute.code: attribute for attribute in found}
    unknown = [
        f"#/attributes/{index}/code"
        for index, entry in enumerate(stated)
        if entry["code"] not in attributes
    ]
    if unknown:
        raise UnknownReferenceError(unknown)
    rows = {}
    for index, entry in enumerate(stated):
        attribute = attributes[entry["code"]]
        pointer = f"#/attributes/{index}/value"
        row = _statement(attribute, entry["value"], pointer)
        # Said twice is said once; of two texts or numbers the later one counts.
        rows[attribute.pk, row.value_id] = row
    for row in rows.values():
        row.product_id = product_id
    ProductAttribute.objects.filter(product_id=product_id).delete()
    ProductAttribute.objects.bulk_create(rows.values())


def _statement(attribute: Attribute, value: Any, pointer: str) -> ProductAttribute:
    fields = _typed_value(attribute, value)
    if fields is None:
        raise AttributeValueMismatchError(pointer, attribute.type)
    return ProductAttribute(attribute=attribute, **fields)


def _typed_value(attribute: Attribute, value: Any) -> dict[str, Any] | None:
    """Return the columns that hold the value, or None where its type is another."""
    match attribute.type, value:
        case Attribute.Type.CHOICE, str():
            return _choice(attribute, value)
        case Attribute.Type.TEXT, str() if 0 < len(value) <= MAX_TEXT:
            return {"text": value}
        case Attribute.Type.BOOLEAN, bool():
            return {"boolean": value}
        case Attribute.Type.NUMBER, int() | float() if not isinstance(value, bool):
            number = Decimal(str(value))
            if abs(number) < MAX_NUMBER:
                return {"number": number.quantize(SIX_DECIMALS)}
    return None


def _choice(attribute: Attribute, code: str) -> dict[str, AttributeValue] | None:
    # Prefetched, so all choices of all attributes cost one query.
    for value in attribute.values.all():
        if value.code == code:
            return {"value": value}
    return None
