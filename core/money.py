"""Exact amounts in the minor units of one currency."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision, list_currencies

from core.errors import DomainError, ErrorKind

# Bounds every stored amount well inside a PostgreSQL bigint.
MAX_AMOUNT = 10**15
_PLAIN_DECIMAL = re.compile(r"-?\d{1,15}(\.\d{0,10})?|-?\.\d{1,10}", re.ASCII)


class CurrencyMismatchError(DomainError):
    code = "currency_mismatch"
    kind = ErrorKind.INVALID
    title = "Different currencies"
    cause = "Amounts of different currencies can't be added or compared."
    cure = "Use one currency throughout."


class InvalidAmountError(DomainError):
    code = "invalid_amount"
    kind = ErrorKind.INVALID
    title = "Not an amount of money"
    cause = (
        "The text isn't a plain decimal number, or has more decimals than the currency."
    )
    cure = "Send digits with a dot as the decimal separator, such as 19.99."


@cache
def known_currencies() -> frozenset[str]:
    """Return the ISO 4217 codes."""
    return frozenset(list_currencies())


@cache
def minor_unit_digits(currency: str) -> int:
    """Return how many decimals the currency has: EUR 2, JPY 0, KWD 3."""
    return get_currency_precision(currency)


@dataclass(frozen=True, slots=True)
class Money:
    amount: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.amount - other.amount, self.currency)

    def __mul__(self, count: int) -> "Money":
        return Money(self.amount * count, self.currency)

    def _require_same_currency(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise CurrencyMismatchError(f"{self.currency} and {other.currency}.")

    def as_decimal(self) -> Decimal:
        return Decimal(self.amount).scaleb(-minor_unit_digits(self.currency))

    def __str__(self) -> str:
        digits = minor_unit_digits(self.currency)
        return f"{self.as_decimal():.{digits}f} {self.currency}"


@cache
def known_locale(tag: str) -> Locale:
    """Read a BCP 47 language tag; what nobody has heard of is English."""
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def format_money(money: Money, locale: str = "en") -> str:
    """Write an amount as people there do: €19.99, 19,99 €, ￥2,000."""
    return format_currency(
        money.as_decimal(), money.currency, locale=known_locale(locale)
    )


def parse_money(text: str, currency: str) -> Money:
    """Read a plain decimal such as ``19.99`` in the currency's own decimals.

    :raises InvalidAmountError: for anything else, also for decimals that would be lost.
    """
    text = text.strip()
    if not _PLAIN_DECIMAL.fullmatch(text):
        raise InvalidAmountError(f"{text!r} is not a decimal number.")
    try:
        minor = Decimal(text).scaleb(minor_unit_digits(currency))
    except InvalidOperation as error:
        raise InvalidAmountError(f"{text!r} is not a decimal number.") from error
    if minor != minor.to_integral_value():
        raise InvalidAmountError(f"{text!r} has more decimals than {currency}.")
    if abs(minor) > MAX_AMOUNT:
        raise InvalidAmountError(f"{text!r} is too large.")
    return Money(int(minor), currency)


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Split minor units by weight so that the parts sum to the whole.

    Largest remainder (Hamilton's method); a tie goes to the earlier part. With all
    weights zero the parts are as equal as whole units allow.
    """
    if not weights:
        return []
    shares = list(weights) if any(weights) else [1] * len(weights)
    total = sum(shares)
    sign = -1 if amount < 0 else 1
    quotients = [divmod(abs(amount) * share, total) for share in shares]
    parts = [quotient for quotient, _ in quotients]
    by_remainder = sorted(range(len(shares)), key=lambda i: (-quotients[i][1], i))
    for index in by_remainder[: abs(amount) - sum(parts)]:
        parts[index] += 1
    return [sign * part for part in parts]
