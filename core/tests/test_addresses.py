import pytest
from rest_framework.serializers import ValidationError

from core.addresses import by_the_countrys_rules
from core.countries import COUNTRIES
from core.postal import (
    _FORMS,
    NEEDS_REGION,
    WITHOUT_CODE,
    example_code,
    is_postal_code,
    plain_postal_code,
)


def check(country, code, **more):
    return by_the_countrys_rules({"country": country, "postal_code": code} | more)


def problems(country, code, **more):
    with pytest.raises(ValidationError) as error:
        check(country, code, **more)
    return {name: e[0].code for name, e in error.value.detail.items()}


@pytest.mark.parametrize(
    ("country", "code", "plain"),
    [
        ("DE", "10115", "10115"),
        ("GB", "sw1a  1aa", "SW1A 1AA"),
        ("GB", "M1 1AE", "M1 1AE"),
        ("IE", "h91 e9xy", "H91 E9XY"),
        ("IE", "D6W X285", "D6W X285"),
        ("IE", "", ""),
        ("NL", "1012 ab", "1012 AB"),
        ("PL", "00-950", "00-950"),
        ("PT", "1000-001", "1000-001"),
        ("SE", "114 55", "114 55"),
        ("LV", "LV-1010", "LV-1010"),
        ("AD", "AD500", "AD500"),
        ("HK", "", ""),
        ("AE", "", ""),
        ("FK", "FIQQ 1ZZ", "FIQQ 1ZZ"),
    ],
)
def test_a_code_is_written_as_its_country_does(country, code, plain):
    assert check(country, code)["postal_code"] == plain


@pytest.mark.parametrize(
    ("country", "code", "problem"),
    [
        ("DE", "1011", "invalid"),
        ("DE", "101155", "invalid"),
        ("DE", "D-10115", "invalid"),
        ("DE", "", "required"),
        ("AD", "XD500", "invalid"),
        ("GB", "12345", "invalid"),
        ("NL", "1012", "invalid"),
        ("DE", "\u0661\u0660\u0661\u0661\u0665", "invalid"),
        ("FK", "a@b", "invalid"),
        ("FK", "", "required"),
    ],
)
def test_a_code_that_cannot_be_is_refused(country, code, problem):
    assert problems(country, code) == {"postal_code": problem}


def test_where_mail_goes_by_state_it_must_be_named():
    assert problems("US", "94105") == {"region": "required"}
    assert check("US", "94105-1234", region="CA") == {"postal_code": "94105-1234"}


@pytest.mark.parametrize(
    ("country", "phone", "plain"),
    [
        ("DE", "030 901820", "+4930901820"),
        ("DE", "+43 1 4000", "+4314000"),
        ("IE", "(091) 123456", "+35391123456"),
    ],
)
def test_a_telephone_number_is_kept_as_the_world_dials_it(country, phone, plain):
    code = {"DE": "10115", "IE": "H91 E9XY"}[country]

    assert check(country, code, phone=phone)["phone"] == plain


@pytest.mark.parametrize("phone", ["12", "+49", "abc", "+999 123456", "0" * 32])
def test_a_number_that_nobody_has_is_refused(phone):
    assert problems("DE", "10115", phone=phone) == {"phone": "invalid"}


def test_all_problems_of_an_address_are_told_at_once():
    found = problems("US", "1", phone="1")

    assert found == {"postal_code": "invalid", "region": "required", "phone": "invalid"}


def test_the_tables_speak_of_countries():
    assert set(_FORMS) | WITHOUT_CODE | NEEDS_REGION <= COUNTRIES


@pytest.mark.parametrize("country", sorted(_FORMS))
def test_the_example_of_a_country_is_a_code_of_it(country):
    example = example_code(country)

    assert is_postal_code(plain_postal_code(example), country=country)
