from typing import Any

from rest_framework import serializers

from core.serializers import StrictSerializer
from inventory.constants import MAX_UNITS
from inventory.models import Movement, Reservation, Stock, Warehouse

MAX_PRIORITY = 32_767


class WarehouseSerializer(serializers.ModelSerializer[Warehouse]):
    class Meta:
        model = Warehouse
        fields = ["id", "code", "name", "priority", "is_active", "created_at"]
        read_only_fields = fields


class UpdateWarehouseSerializer(StrictSerializer):
    name = serializers.CharField(max_length=200, required=False)
    priority = serializers.IntegerField(
        min_value=0,
        max_value=MAX_PRIORITY,
        required=False,
        help_text="The warehouse with the lower number is asked first.",
    )
    is_active = serializers.BooleanField(
        required=False, help_text="What lies in an inactive one can't be sold."
    )


class CreateWarehouseSerializer(UpdateWarehouseSerializer):
    code = serializers.SlugField(max_length=32)
    name = serializers.CharField(max_length=200)


class StockSerializer(serializers.ModelSerializer[Stock]):
    sku = serializers.CharField(read_only=True)
    warehouse = serializers.CharField(source="warehouse_code", read_only=True)
    available = serializers.IntegerField(
        read_only=True, help_text="On hand and not reserved; backorders don't count."
    )

    class Meta:
        model = Stock
        fields = [
            "id",
            "variant_id",
            "sku",
            "warehouse",
            "on_hand",
            "reserved",
            "available",
            "low_stock_threshold",
            "backorder_limit",
        ]
        read_only_fields = fields


class ConfigureStockSerializer(StrictSerializer):
    low_stock_threshold = serializers.IntegerField(
        min_value=0,
        max_value=MAX_UNITS,
        required=False,
        help_text="At or below it the row is low; 0 says never.",
    )
    backorder_limit = serializers.IntegerField(
        min_value=0,
        max_value=MAX_UNITS,
        required=False,
        help_text="Units that may be sold beyond what is on hand.",
    )


class AdjustStockSerializer(StrictSerializer):
    sku = serializers.CharField(max_length=255, required=False)
    variant_id = serializers.UUIDField(required=False)
    warehouse = serializers.CharField(max_length=32, help_text="A warehouse's code.")
    change = serializers.IntegerField(
        min_value=-MAX_UNITS,
        max_value=MAX_UNITS,
        required=False,
        help_text="Units that came or went.",
    )
    counted = serializers.IntegerField(
        min_value=0,
        max_value=MAX_UNITS,
        required=False,
        help_text="Units that were found on the shelf.",
    )
    reason = serializers.CharField(max_length=255)
    expected_on_hand = serializers.IntegerField(
        min_value=0,
        max_value=MAX_UNITS,
        required=False,
        help_text="Refuse with `stock_changed` unless this many are on hand.",
    )

    def validate_change(self, change: int) -> int:
        if change == 0:
            raise serializers.ValidationError("A change of 0 changes nothing.")
        return change

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for one, other in (("sku", "variant_id"), ("change", "counted")):
            if (one in attrs) == (other in attrs):
                raise serializers.ValidationError(f"Give either {one} or {other}.")
        return attrs


class OfStockSerializer(serializers.Serializer[Any]):
    """Where a line of the ledger or a reservation belongs."""

    stock_id = serializers.UUIDField(read_only=True)
    variant_id = serializers.UUIDField(read_only=True)
    sku = serializers.CharField(read_only=True)
    warehouse = serializers.CharField(source="warehouse_code", read_only=True)


class MovementSerializer(OfStockSerializer):
    id = serializers.UUIDField(read_only=True)
    kind = serializers.ChoiceField(choices=Movement.Kind.choices, read_only=True)
    on_hand_change = serializers.IntegerField(read_only=True)
    reserved_change = serializers.IntegerField(read_only=True)
    on_hand_after = serializers.IntegerField(read_only=True)
    reserved_after = serializers.IntegerField(read_only=True)
    reason = serializers.CharField(read_only=True)
    reference = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="What the units were moved for."
    )
    actor_id = serializers.UUIDField(
        read_only=True,
        allow_null=True,
        help_text="Who did it; null is the shop itself.",
    )
    created_at = serializers.DateTimeField(read_only=True)


class ReservationSerializer(OfStockSerializer):
    id = serializers.UUIDField(read_only=True)
    reference = serializers.UUIDField(
        read_only=True, help_text="What the units are held for."
    )
    quantity = serializers.IntegerField(read_only=True)
    state = serializers.ChoiceField(choices=Reservation.State.choices, read_only=True)
    expires_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Null while paid goods are to come."
    )
    created_at = serializers.DateTimeField(read_only=True)
    closed_at = serializers.DateTimeField(read_only=True, allow_null=True)
