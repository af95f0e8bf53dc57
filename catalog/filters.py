"""The query parameters of card lists, read into values that selectors understand."""

import re
from collections.abc import Iterator

from django.http import QueryDict

from catalog.selectors import ORDERINGS, CardFilters
from core.exceptions import InvalidParameterError, UnknownParameterError
from core.money import MAX_AMOUNT, known_currencies

MAX_VALUES = 50
MAX_VALUE_LENGTH = 255
OPTION = "option."
ATTRIBUTE = "attribute."
_REPEATABLE = ("category", "collection", "vendor", "tag")
FILTER_PARAMS = frozenset(
    {*_REPEATABLE, "min_price", "max_price", "currency", "in_stock", "rating"}
)
_AMOUNT = re.compile(r"\d{1,16}", re.ASCII)
_RATING = re.compile(r"[0-5](\.\d{1,2})?", re.ASCII)


def parse_card_filters(params: QueryDict, *, besides: frozenset[str]) -> CardFilters:
    """Read the filters; ``besides`` are the list's other parameters.

    A parameter may be repeated where values are alternatives: ``tag=new&tag=sale``.

    :raises UnknownParameterError: for a name that is neither.
    :raises InvalidParameterError: for a value that can't be meant.
    """
    known = FILTER_PARAMS | besides
    for name, values in params.lists():
        if name not in known and not name.startswith((OPTION, ATTRIBUTE)):
            shown = sorted({*known, "option.<Name>", "attribute.<code>"})
            raise UnknownParameterError(f"There is no parameter {name!r}.", known=shown)
        _check_values(name, values)
    return CardFilters(
        **{name: tuple(params.getlist(name)) for name in _REPEATABLE},
        currency=parse_currency(params),
        min_price=_parse_amount(params, "min_price"),
        max_price=_parse_amount(params, "max_price"),
        in_stock=parse_bool(params, "in_stock"),
        rating=_parse_rating(params),
        options=tuple(_pairs(params, OPTION)),
        attributes=tuple(_pairs(params, ATTRIBUTE)),
    )


def parse_ordering(params: QueryDict, *, default: str) -> str:
    name = params.get("ordering", default)
    if name != default and name not in ORDERINGS:
        choices = ", ".join(dict.fromkeys([default, *ORDERINGS]))
        raise InvalidParameterError(f"Give one of {choices}.", parameter="ordering")
    return name


def _check_values(name: str, values: list[str]) -> None:
    is_repeatable = name in _REPEATABLE or name.startswith((OPTION, ATTRIBUTE))
    if len(values) > (MAX_VALUES if is_repeatable else 1):
        raise InvalidParameterError("It is given too often.", parameter=name)
    for text in (name, *values):
        if len(text) > MAX_VALUE_LENGTH and name != "cursor":
            raise InvalidParameterError("It is too long.", parameter=name)
        if "\0" in text:
            raise InvalidParameterError("It has a NUL character.", parameter=name)
    if is_repeatable and not all(values):
        raise InvalidParameterError("It has no value.", parameter=name)


def _pairs(params: QueryDict, prefix: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    names = [name for name in params if name.startswith(prefix)]
    if len(names) > MAX_VALUES:
        raise InvalidParameterError("There are too many.", parameter=f"{prefix}*")
    for name in names:
        yield name.removeprefix(prefix), tuple(params.getlist(name))


def parse_currency(params: QueryDict) -> str:
    """Read the one currency, or "" where none is named."""
    code = params.get("currency", "")
    if "currency" in params and code not in known_currencies():
        raise InvalidParameterError(
            "Give an ISO 4217 code, such as EUR.", parameter="currency"
        )
    return code


def _parse_amount(params: QueryDict, name: str) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    if not _AMOUNT.fullmatch(text) or int(text) > MAX_AMOUNT:
        raise InvalidParameterError(
            "Give a whole number of the currency's minor units.", parameter=name
        )
    return int(text)


def parse_bool(params: QueryDict, name: str) -> bool | None:
    text = params.get(name)
    if text not in {None, "true", "false"}:
        raise InvalidParameterError("Give true or false.", parameter=name)
    return None if text is None else text == "true"


def _parse_rating(params: QueryDict) -> str:
    text = params.get("rating", "")
    if "rating" in params and not _RATING.fullmatch(text):
        raise InvalidParameterError(
            "Give a number from 0 to 5; cards with at least that average are shown.",
            parameter="rating",
        )
    return text
