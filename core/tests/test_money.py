from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import (
    CurrencyMismatchError,
    InvalidAmountError,
    Money,
    allocate,
    minor_unit_digits,
    parse_money,
)


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("19.99", "EUR", 1999),
        ("25", "EUR", 2500),
        ("19.9900", "EUR", 1999),
        (" 7.5 ", "USD", 750),
        (".5", "EUR", 50),
        ("14000000", "VND", 14000000),
        ("1.234", "KWD", 1234),
        ("-3.10", "EUR", -310),
    ],
)
def test_parse_money_reads_the_currencys_own_decimals(text, currency, amount):
    assert parse_money(text, currency) == Money(amount, currency)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "1,99", "1e3", "NaN", "19.999", "--1", "1.2.3", "٣", "9" * 16, "1_000"],
)
def test_parse_money_refuses_what_it_would_have_to_guess(text):
    with pytest.raises(InvalidAmountError):
        parse_money(text, "EUR")


def test_parse_money_refuses_decimals_of_a_currency_without_any():
    with pytest.raises(InvalidAmountError):
        parse_money("1.5", "JPY")


def test_minor_unit_digits_follow_iso_4217():
    assert [minor_unit_digits(c) for c in ("EUR", "JPY", "VND", "KWD")] == [2, 0, 0, 3]


def test_money_adds_and_multiplies_in_one_currency():
    assert Money(100, "EUR") + Money(50, "EUR") * 2 == Money(200, "EUR")
    with pytest.raises(CurrencyMismatchError):
        Money(1, "EUR") + Money(1, "USD")


def test_money_prints_with_its_decimals():
    assert [str(Money(5, c)) for c in ("EUR", "JPY")] == ["0.05 EUR", "5 JPY"]


@given(
    amount=st.integers(-(10**9), 10**9),
    weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=30),
)
def test_allocate_parts_sum_to_the_whole_and_stay_within_one_unit(amount, weights):
    parts = allocate(amount, weights)

    assert sum(parts) == amount
    shares = weights if any(weights) else [1] * len(weights)
    for part, share in zip(parts, shares, strict=True):
        assert abs(Decimal(part) - Decimal(amount) * share / sum(shares)) < 1


def test_allocate_gives_the_remainder_to_the_earlier_of_equals():
    assert allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert allocate(5, []) == []
