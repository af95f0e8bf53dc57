import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from core.serializers import StrictSerializer, validated


class LampSerializer(StrictSerializer):
    watts = serializers.IntegerField(max_value=100)
    tags = serializers.ListField(child=serializers.CharField(), default=list)

    def validate(self, attrs):
        limit = self.context.get("limit")
        if limit is not None and attrs["watts"] > limit:
            raise serializers.ValidationError("Too bright here.", code="too_bright")
        return attrs


def refusal_of(sent, **context):
    with pytest.raises(ValidationError) as error:
        validated(LampSerializer, sent, **context)
    return error.value.get_full_details()


def test_validated_reads_what_a_new_serializer_reads():
    for sent in ({"watts": 40}, {"watts": "7", "tags": ["a"]}):
        fresh = LampSerializer(data=sent)
        fresh.is_valid(raise_exception=True)

        assert validated(LampSerializer, sent) == fresh.validated_data


@pytest.mark.parametrize(
    "sent", [None, [], "x", {}, {"watts": 101}, {"watts": 1, "volts": 2}]
)
def test_validated_refuses_as_a_new_serializer_does(sent):
    with pytest.raises(ValidationError) as error:
        LampSerializer(data=sent).is_valid(raise_exception=True)

    assert refusal_of(sent) == error.value.get_full_details()


def test_nothing_stays_from_the_use_before():
    first = validated(LampSerializer, {"watts": 40})
    first["tags"].append("changed")

    assert validated(LampSerializer, {"watts": 40})["tags"] == []
    refusal = refusal_of({"watts": 40}, limit=10)
    assert refusal["non_field_errors"][0]["code"] == "too_bright"
    assert validated(LampSerializer, {"watts": 40})["watts"] == 40
