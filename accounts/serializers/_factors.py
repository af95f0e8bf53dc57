from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from accounts.auth import TICKET_MAX_LENGTH
from accounts.constants import PASSWORD_MAX_LENGTH, Method
from accounts.serializers._passkeys import PasskeyCredentialSerializer
from core.serializers import StrictSerializer

# A recovery code with all its hyphens has 29 characters.
CODE_MAX_LENGTH = 64
_NAME_MAX_LENGTH = 100


class MfaRequiredSerializer(StrictSerializer):
    mfa_required = serializers.BooleanField(read_only=True, default=True)
    ticket = serializers.CharField(
        read_only=True, help_text="For POST /auth/mfa, within five minutes."
    )
    methods = serializers.ListField(
        child=serializers.ChoiceField(choices=[(m, m) for m in Method]), read_only=True
    )


class CompleteMfaSerializer(StrictSerializer):
    ticket = serializers.CharField(max_length=TICKET_MAX_LENGTH)
    code = serializers.CharField(
        max_length=CODE_MAX_LENGTH, help_text="Of the app, or a recovery code."
    )
    device_name = serializers.CharField(
        max_length=_NAME_MAX_LENGTH, required=False, allow_blank=True, default=""
    )


class CodeSerializer(StrictSerializer):
    code = serializers.CharField(max_length=CODE_MAX_LENGTH)


class TotpOfferSerializer(StrictSerializer):
    secret = serializers.CharField(read_only=True, help_text="Base32, to type in.")
    otpauth_uri = serializers.CharField(read_only=True)
    qr_svg = serializers.CharField(read_only=True, help_text="An image of the URI.")


class RecoveryCodesSerializer(StrictSerializer):
    recovery_codes = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Shown this once. Each opens the account once.",
    )


class StepUpSerializer(StrictSerializer):
    password = serializers.CharField(
        max_length=PASSWORD_MAX_LENGTH, trim_whitespace=False, required=False
    )
    code = serializers.CharField(max_length=CODE_MAX_LENGTH, required=False)
    credential = PasskeyCredentialSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise ValidationError(
                "Send exactly one of password, code and credential.", code="invalid"
            )
        return attrs
