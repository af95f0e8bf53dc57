"""JSON as RFC 8259 and RFC 7493 have it, and nothing that only looks like it."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from rest_framework.parsers import BaseParser

from core.exceptions import MalformedJSONError

MAX_DEPTH = 64
MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)
_MAX_NUMBER_CHARS = 400


def parse_json(raw: bytes) -> Any:
    """Read one document strictly.

    :raises MalformedJSONError: for bad UTF-8, NaN and Infinity, numbers past a bigint
        or a double, duplicate keys, NUL, lone surrogates, or nesting over 64.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"Byte {error.start} isn't valid UTF-8."
        raise MalformedJSONError(message) from error
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_bounded_integer,
            parse_float=_finite_float,
        )
    except RecursionError as error:
        raise MalformedJSONError(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        message = f"{error.msg} at line {error.lineno}, column {error.colno}."
        raise MalformedJSONError(message) from error
    # Raw control characters are refused above, so only an escape can smuggle one in.
    _check(document, escapes="\\u" in text)
    return document


_TOO_DEEP = f"It is nested deeper than {MAX_DEPTH}."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJSONError("An object names one member twice.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJSONError(f"{name} isn't a JSON number.")


def _bounded_integer(digits: str) -> int:
    if len(digits) <= _MAX_NUMBER_CHARS:
        number = int(digits)
        if MIN_INTEGER <= number <= MAX_INTEGER:
            return number
    raise MalformedJSONError("An integer has more than 64 bits.")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise MalformedJSONError("A number is larger than a double holds.")
    return number


def _check(document: Any, *, escapes: bool) -> None:
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise MalformedJSONError(_TOO_DEEP)
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
                if escapes:
                    below.extend(value)
            elif isinstance(value, list):
                below.extend(value)
            elif escapes and isinstance(value, str):
                _check_text(value)
        level = below


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise MalformedJSONError("A string holds a NUL character.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedJSONError("A string holds half a surrogate pair.") from error


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,  # noqa: ARG002 -- DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 -- DRF's signature
    ) -> Any:
        return parse_json(stream.read())
