"""The query parameters of the lists."""

from typing import Any

from rest_framework import serializers

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
