"""The shape of a postal address, wherever one is asked for."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from core import postal
from core.serializers import CountryField, StrictSerializer


class PostalAddressSerializer(StrictSerializer):
    """An address as it is shown."""

    full_name = serializers.CharField(max_length=200)
    company = serializers.CharField(max_length=200, required=False, allow_blank=True)
    line1 = serializers.CharField(max_length=200)
    line2 = serializers.CharField(max_length=200, required=False, allow_blank=True)
    city = serializers.CharField(max_length=100)
    region = serializers.CharField(max_length=100, required=False, allow_blank=True)
    postal_code = serializers.CharField(max_length=20)
    country = CountryField()
    phone = serializers.CharField(max_length=32, required=False, allow_blank=True)


class GivenPostalAddressSerializer(PostalAddressSerializer):
    """An address as it is given: checked, and written as its country writes it.

    With an instance and ``partial`` it is the change of that.
    """

    postal_code = serializers.CharField(
        max_length=20,
        required=False,
        allow_blank=True,
        help_text="Required but in the few countries that have none.",
    )
    phone = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        help_text="Answered in the form of E.164, +35391123456.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        members = ("country", "region", "postal_code", "phone")
        whole = {name: getattr(self.instance, name, "") for name in members} | attrs
        return attrs | by_the_countrys_rules(whole)


def by_the_countrys_rules(address: Mapping[str, Any]) -> dict[str, Any]:
    """Return an address's code and number as its country writes them.

    :raises serializers.ValidationError: with the members that can't be so there.
    """
    country = address["country"]
    wrong: dict[str, serializers.ErrorDetail] = {}
    plain = {"postal_code": postal.plain_postal_code(address.get("postal_code", ""))}
    if problem := _problem_of_code(plain["postal_code"], country):
        wrong["postal_code"] = problem
    if country in postal.NEEDS_REGION and not address.get("region"):
        text = f"An address in {country} needs a state, province or prefecture."
        wrong["region"] = serializers.ErrorDetail(text, code="required")
    if phone := address.get("phone", ""):
        try:
            plain["phone"] = postal.plain_phone(phone, country=country)
        except ValueError:
            text = "That is no telephone number; begin with + and the country's code."
            wrong["phone"] = serializers.ErrorDetail(text, code="invalid")
    if wrong:
        raise serializers.ValidationError({name: [e] for name, e in wrong.items()})
    return plain


def _problem_of_code(code: str, country: str) -> serializers.ErrorDetail | None:
    if not code:
        if country in postal.WITHOUT_CODE:
            return None
        return serializers.ErrorDetail("This field is required.", code="required")
    if postal.is_postal_code(code, country=country):
        return None
    example = postal.example_code(country)
    like = f" They look like {example}." if example else ""
    return serializers.ErrorDetail(
        f"That is no postal code of {country}.{like}", code="invalid"
    )
