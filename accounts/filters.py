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


class UserParameters(serializers.Serializer[Any]):
    q = serializers.CharField(
        required=False,
        min_length=2,
        max_length=100,
        help_text="A part of an address or of a name.",
    )
    role = serializers.CharField(required=False, max_length=150)
    is_active = serializers.ChoiceField(required=False, choices=["true", "false"])
    is_staff = serializers.ChoiceField(required=False, choices=["true", "false"])

    def validate_is_active(self, value: str) -> bool:
        return value == "true"

    def validate_is_staff(self, value: str) -> bool:
        return value == "true"
