from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from accounts.models import Identity
from core.serializers import StrictSerializer

_URI_MAX_LENGTH = 2000
_CODE_MAX_LENGTH = 4096
_STATE_MAX_LENGTH = 200
_PROVIDER_MAX_LENGTH = 40
_NAME_MAX_LENGTH = 100


class ProviderSerializer(StrictSerializer):
    name = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)


class StartOAuthSerializer(StrictSerializer):
    redirect_uri = serializers.CharField(
        max_length=_URI_MAX_LENGTH, help_text="One of the shop's, to the letter."
    )


class StartLinkSerializer(StartOAuthSerializer):
    provider = serializers.CharField(max_length=_PROVIDER_MAX_LENGTH)


class OAuthStartSerializer(StrictSerializer):
    authorization_url = serializers.CharField(read_only=True)
    state = serializers.CharField(
        read_only=True, help_text="Keep it, and compare it with what comes back."
    )


class OAuthCallbackSerializer(StrictSerializer):
    code = serializers.CharField(max_length=_CODE_MAX_LENGTH)
    state = serializers.CharField(max_length=_STATE_MAX_LENGTH)
    iss = serializers.CharField(
        max_length=_URI_MAX_LENGTH,
        required=False,
        allow_blank=True,
        default="",
        help_text="As it came with the code, if it did.",
    )
    device_name = serializers.CharField(
        max_length=_NAME_MAX_LENGTH, required=False, allow_blank=True, default=""
    )


class LinkIdentitySerializer(StrictSerializer):
    """Either ``ticket``, or what came back from the provider."""

    ticket = serializers.CharField(max_length=_STATE_MAX_LENGTH, required=False)
    provider = serializers.CharField(max_length=_PROVIDER_MAX_LENGTH, required=False)
    code = serializers.CharField(max_length=_CODE_MAX_LENGTH, required=False)
    state = serializers.CharField(max_length=_STATE_MAX_LENGTH, required=False)
    iss = serializers.CharField(
        max_length=_URI_MAX_LENGTH, required=False, allow_blank=True
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = set(attrs) - {"iss"}
        if given not in ({"ticket"}, {"provider", "code", "state"}):
            raise ValidationError(
                "Send either ticket, or provider, code and state.", code="invalid"
            )
        return attrs


class IdentitySerializer(serializers.ModelSerializer[Identity]):
    class Meta:
        model = Identity
        fields = ("id", "provider", "email", "created_at", "last_used_at")
        read_only_fields = fields
