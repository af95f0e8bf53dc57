from typing import Any

from rest_framework import serializers

from accounts.constants import ActivityKind
from accounts.models import ActivityEntry


class ActivityDeviceSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(source="device_name")
    user_agent = serializers.CharField()


class ActivityEntrySerializer(serializers.ModelSerializer[ActivityEntry]):
    kind = serializers.CharField(
        help_text=f"One of {', '.join(ActivityKind)}; more may come."
    )
    address = serializers.CharField(
        help_text="The network address it came from; empty where the shop did it."
    )
    device = ActivityDeviceSerializer(source="*")

    class Meta:
        model = ActivityEntry
        fields = ("id", "kind", "at", "address", "device", "details")
        read_only_fields = fields
