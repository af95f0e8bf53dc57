"""One cell at a time: text in, a value out, or a refusal that says why."""

import re
from decimal import ROUND_HALF_UP, Decimal

from catalog.models import Product
from core.money import InvalidAmountError, parse_money

# What inventory can count; a number beyond it is a mistake in the file.
MAX_QUANTITY = 1_000_000_000
MAX_GRAMS = 2_147_483_647
MAX_POSITION = 100_000
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{0,10})?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,15}(\.0{0,10})?", re.ASCII)
_ADDRESS = re.compile(r"(https?:)?//[^\s/]+(/\S*)?", re.IGNORECASE)
_FLAGS = {
    "true": True,
    "yes": True,
    "1": True,
    "false": False,
    "no": False,
    "0": False,
}
_GRAMS = {
    "g": Decimal(1),
    "kg": Decimal(1000),
    "lb": Decimal("453.59237"),
    "oz": Decimal("28.349523125"),
}


class CellError(Exception):
    """The cell can't be read as what its column says."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_flag(text: str) -> bool:
    try:
        return _FLAGS[text.casefold()]
    except KeyError:
        raise CellError("unreadable_flag", f"{text!r} is not true or false.") from None


def read_oversell(text: str) -> bool:
    policies = {"deny": False, "continue": True}
    policy = policies.get(text.casefold())
    return read_flag(text) if policy is None else policy


def read_status(text: str) -> str:
    status = text.casefold()
    # Reachable by those who have the link; this shop's word for hidden is draft.
    if status == "unlisted":
        return Product.Status.DRAFT
    if status not in Product.Status.values:
        message = f"{text!r} is not active, draft or archived."
        raise CellError("unreadable_status", message)
    return status


def read_price(text: str, currency: str) -> int:
    """Return minor units. More decimals than the currency has must be zeros."""
    try:
        amount = parse_money(text, currency).amount
    except InvalidAmountError as error:
        raise CellError("unreadable_price", error.detail) from error
    if amount < 0:
        raise CellError("unreadable_price", f"{text!r} is below zero.")
    return amount


def read_number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise CellError("unreadable_number", f"{text!r} is not a number.")
    return Decimal(text)


def read_quantity(text: str) -> int:
    """Return whole units, below zero where the shop oversold."""
    if not _WHOLE.fullmatch(text) or abs(Decimal(text)) > MAX_QUANTITY:
        raise CellError("unreadable_quantity", f"{text!r} is not a count of units.")
    return int(Decimal(text))


def read_grams(text: str, unit: str = "g") -> int:
    factor = _GRAMS.get(unit.casefold() or "g")
    if factor is None:
        raise CellError("unreadable_weight", f"{unit!r} is not a unit of weight.")
    number = Decimal(text) if _NUMBER.fullmatch(text) else Decimal(-1)
    grams = (number * factor).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    if not 0 <= grams <= MAX_GRAMS or number < 0:
        raise CellError("unreadable_weight", f"{text!r} is not a weight.")
    return int(grams)


def read_position(text: str) -> int:
    if not _WHOLE.fullmatch(text) or not 0 <= (number := Decimal(text)) <= MAX_POSITION:
        raise CellError("unreadable_position", f"{text!r} is not a position.")
    return int(number)


def read_address(text: str, *, longest: int) -> str:
    if not _ADDRESS.fullmatch(text):
        raise CellError("unreadable_address", f"{text!r} is not an address of the web.")
    if len(text) > longest:
        raise CellError("too_long", f"The address is longer than {longest} characters.")
    return f"https:{text}" if text.startswith("//") else text
