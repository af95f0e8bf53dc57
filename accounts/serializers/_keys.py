from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.constants import (
    API_KEY_LONGEST_LIFETIME,
    API_KEY_LONGEST_OVERLAP_HOURS,
    API_KEY_MAX_PER_MINUTE,
    API_KEY_MAX_SCOPES,
    API_KEY_OVERLAP_HOURS,
)
from accounts.models import ApiKey
from core.serializers import StrictSerializer


class KeyCreatorSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField()


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    prefix = serializers.CharField(
        source="shown_prefix", help_text="How the secret begins."
    )
    status = serializers.SerializerMethodField()
    requests_per_minute = serializers.IntegerField(
        allow_null=True, help_text="Null: the limits that all keys have."
    )
    created_by = KeyCreatorSerializer()

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "prefix",
            "mode",
            "status",
            "scopes",
            "requests_per_minute",
            "expires_at",
            "last_used_at",
            "previous_valid_until",
            "revoked_at",
            "created_by",
            "created_at",
        )
        read_only_fields: tuple[str, ...] = fields

    def get_status(self, key: ApiKey) -> str:
        return key.status(now=timezone.now())


class IssuedKeySerializer(ApiKeySerializer):
    secret = serializers.CharField(
        help_text="The whole key. It is shown this once and can't be read again."
    )

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "secret")
        read_only_fields = fields


class ChangeApiKeySerializer(StrictSerializer):
    name = serializers.CharField(
        max_length=100, required=False, help_text="What the key is for."
    )
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=150),
        min_length=1,
        max_length=API_KEY_MAX_SCOPES,
        required=False,
        help_text="Permissions, such as catalog.change_product.",
    )
    expires_at = serializers.DateTimeField(
        required=False, help_text="In a year, if you don't say; two years at most."
    )
    requests_per_minute = serializers.IntegerField(
        min_value=1,
        max_value=API_KEY_MAX_PER_MINUTE,
        allow_null=True,
        required=False,
        help_text="A quota of its own; null: the limits that all keys have.",
    )

    def validate_expires_at(self, expires_at: datetime) -> datetime:
        now = timezone.now()
        if expires_at <= now:
            raise serializers.ValidationError("That is past.", code="past")
        if expires_at > now + API_KEY_LONGEST_LIFETIME:
            raise serializers.ValidationError(
                "That is too far away; rotate the key instead.", code="too_far"
            )
        return expires_at


class CreateApiKeySerializer(ChangeApiKeySerializer):
    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for name in ("name", "scopes"):
            fields[name].required = True
        return fields


class RotateApiKeySerializer(StrictSerializer):
    overlap_hours = serializers.IntegerField(
        min_value=0,
        max_value=API_KEY_LONGEST_OVERLAP_HOURS,
        default=API_KEY_OVERLAP_HOURS,
        help_text="So long the old secret holds as well; 0 ends it at once.",
    )

    def validate_overlap_hours(self, hours: int) -> timedelta:
        return timedelta(hours=hours)
