"""The query parameters of the lists, read into values that selectors understand."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from core.exceptions import InvalidParameterError
from inventory.models import Movement, Reservation


class OfStockParameters(serializers.Serializer[Any]):
    sku = serializers.CharField(required=False, max_length=255)
    variant_id = serializers.UUIDField(required=False)
    warehouse = serializers.CharField(
        required=False, max_length=32, help_text="A warehouse's code."
    )


class StockParameters(OfStockParameters):
    low = serializers.ChoiceField(
        required=False,
        choices=["true", "false"],
        help_text="Only rows at or below their threshold, or only the others.",
    )

    def validate_low(self, value: str) -> bool:
        return value == "true"


class MovementParameters(OfStockParameters):
    stock_id = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(required=False, choices=Movement.Kind.choices)
    reference = serializers.UUIDField(
        required=False, help_text="What the units were held or shipped for."
    )


class ReservationParameters(OfStockParameters):
    reference = serializers.UUIDField(
        required=False, help_text="What the units are held for."
    )
    state = serializers.ChoiceField(required=False, choices=Reservation.State.choices)


def read_parameters(
    request: Request, parameters: type[serializers.Serializer[Any]]
) -> dict[str, Any]:
    """Return what the request gives of the parameters.

    :raises InvalidParameterError: for a value that can't be meant.
    """
    known = parameters().fields.keys()
    reader = parameters(
        data={name: request.GET[name] for name in known if name in request.GET}
    )
    if not reader.is_valid():
        name, details = next(iter(reader.errors.items()))
        raise InvalidParameterError(str(details[0]), parameter=name)
    given: dict[str, Any] = reader.validated_data
    return given
