"""The query parameters of the lists."""

from typing import Any

from rest_framework import serializers

from accounts.constants import ActivityKind


class ApiKeyParameters(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        required=False, choices=["active", "expired", "revoked"]
    )


class ActivityParameters(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(
        required=False, choices=[kind.value for kind in ActivityKind]
    )
