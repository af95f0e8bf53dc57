# WebAuthn's JSON has names of its own.
# ruff: noqa: N815
from rest_framework import serializers

from accounts.models import Passkey
from core.serializers import BoundedDictField, BoundedJSONField, StrictSerializer

# An authenticator's answer with a certificate has a few thousand.
_PART_MAX_LENGTH = 16_384
_NAME_MAX_LENGTH = 100


class PasskeyResponseSerializer(StrictSerializer):
    """What the browser's ``toJSON()`` says, of either ceremony."""

    clientDataJSON = serializers.CharField(max_length=_PART_MAX_LENGTH)
    attestationObject = serializers.CharField(
        max_length=_PART_MAX_LENGTH, required=False
    )
    authenticatorData = serializers.CharField(
        max_length=_PART_MAX_LENGTH, required=False
    )
    signature = serializers.CharField(max_length=_PART_MAX_LENGTH, required=False)
    userHandle = serializers.CharField(
        max_length=128, required=False, allow_null=True, allow_blank=True
    )
    transports = serializers.ListField(
        child=serializers.CharField(max_length=32), max_length=10, required=False
    )
    publicKey = serializers.CharField(max_length=_PART_MAX_LENGTH, required=False)
    publicKeyAlgorithm = serializers.IntegerField(
        min_value=-65_536, max_value=65_536, required=False
    )


class PasskeyCredentialSerializer(StrictSerializer):
    id = serializers.CharField(max_length=2048)
    rawId = serializers.CharField(max_length=2048)
    type = serializers.CharField(max_length=32)
    response = PasskeyResponseSerializer()
    authenticatorAttachment = serializers.CharField(
        max_length=32, required=False, allow_null=True
    )
    clientExtensionResults = BoundedDictField(
        child=BoundedJSONField(max_bytes=4096), max_members=20, required=False
    )


class PasskeyOptionsSerializer(StrictSerializer):
    """What ``navigator.credentials`` takes, through ``parse…OptionsFromJSON``."""

    public_key = serializers.JSONField(read_only=True)


class RegisterPasskeySerializer(StrictSerializer):
    credential = PasskeyCredentialSerializer()
    name = serializers.CharField(max_length=_NAME_MAX_LENGTH)


class PasskeySignInSerializer(StrictSerializer):
    credential = PasskeyCredentialSerializer()
    device_name = serializers.CharField(
        max_length=_NAME_MAX_LENGTH, required=False, allow_blank=True, default=""
    )


class RenamePasskeySerializer(StrictSerializer):
    name = serializers.CharField(max_length=_NAME_MAX_LENGTH)


class PasskeySerializer(serializers.ModelSerializer[Passkey]):
    class Meta:
        model = Passkey
        fields = ("id", "name", "is_backed_up", "created_at", "last_used_at")
        read_only_fields = fields
