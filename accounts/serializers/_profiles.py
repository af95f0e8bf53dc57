from typing import Any
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from rest_framework import serializers

from accounts.models import Address, ConsentEntry
from core.addresses import GivenPostalAddressSerializer
from core.serializers import CurrencyField, StrictSerializer


class LocaleField(serializers.CharField):
    """A language as BCP 47 writes it: de, en-GB, zh-Hant-TW."""

    default_error_messages = {"unknown": "That is no language tag, such as en-GB."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=16, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        tag = super().to_internal_value(data)
        try:
            known = Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            self.fail("unknown")
        return str(known).replace("_", "-")


class TimeZoneField(serializers.CharField):
    default_error_messages = {"unknown": "That is no time zone, such as Europe/Berlin."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in available_timezones():
            self.fail("unknown")
        return name


class ChangeProfileSerializer(StrictSerializer):
    name = serializers.CharField(max_length=200, allow_blank=True, required=False)
    locale = LocaleField(required=False)
    timezone = TimeZoneField(required=False)


class PreferencesSerializer(serializers.Serializer[Any]):
    locale = serializers.CharField()
    timezone = serializers.CharField()
    currency = serializers.CharField(help_text="Empty: the shop's.")
    marketing = serializers.BooleanField(
        help_text="Whether the person agreed to be sent advertising."
    )
    marketing_changed_at = serializers.DateTimeField(allow_null=True)


class ChangePreferencesSerializer(StrictSerializer):
    locale = LocaleField(required=False)
    timezone = TimeZoneField(required=False)
    currency = CurrencyField(required=False, allow_blank=True)
    marketing = serializers.BooleanField(required=False)


class ConsentEntrySerializer(serializers.ModelSerializer[ConsentEntry]):
    class Meta:
        model = ConsentEntry
        fields = ("id", "purpose", "is_given", "at", "address")
        read_only_fields = fields


class OwnAddressSerializer(serializers.ModelSerializer[Address]):
    class Meta:
        model = Address
        fields = (
            "id",
            "full_name",
            "company",
            "line1",
            "line2",
            "city",
            "region",
            "postal_code",
            "country",
            "phone",
            "is_default_shipping",
            "is_default_billing",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class AddAddressSerializer(GivenPostalAddressSerializer):
    is_default_shipping = serializers.BooleanField(required=False)
    is_default_billing = serializers.BooleanField(required=False)
