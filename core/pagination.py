"""Keyset pages behind opaque, signed cursors: page 10 000 costs what page 1 costs."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Field, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import DomainError, ErrorKind
from core.exceptions import InvalidParameterError

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
# They choose a part of the list; everything else chooses the list.
PAGE_PARAMS = frozenset({"cursor", "limit", "count", "fields"})
_MAC_BYTES = 16
_MAX_CURSOR_CHARS = 2048
_EXAMPLE_LINK = "https://shop.example.com/api/v1/…?cursor=kX3…"


class InvalidCursorError(DomainError):
    code = "invalid_cursor"
    kind = ErrorKind.MALFORMED
    title = "The cursor doesn't belong to this list"
    cause = "The cursor was altered, or used with other filters or another ordering."
    cure = (
        "Follow the `next` and `previous` links as they are, or start without a cursor."
    )


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page starts: after (or, backwards, before) the row at ``position``.

    The position's values are as JSON has them; the caller casts them back.
    """

    position: tuple[Any, ...]
    backwards: bool = False


def encode_cursor(
    position: Sequence[Any], *, scope: str, backwards: bool = False
) -> str:
    payload = orjson.dumps([int(backwards), *position], default=str)
    token = base64.urlsafe_b64encode(_sign(payload, scope) + payload)
    return token.rstrip(b"=").decode()


def decode_cursor(token: str, *, scope: str) -> Cursor:
    """Read a cursor that this scope has issued.

    :raises InvalidCursorError: for any other text.
    """
    if len(token) > _MAX_CURSOR_CHARS or not token.isascii():
        raise InvalidCursorError
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidCursorError from error
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _sign(payload, scope)):
        raise InvalidCursorError
    backwards, *position = orjson.loads(payload)
    return Cursor(tuple(position), bool(backwards))


def _sign(payload: bytes, scope: str) -> bytes:
    message = scope.encode("utf-8", "surrogatepass") + b"\0" + payload
    return hmac.digest(_key(settings.SECRET_KEY), message, "sha256")[:_MAC_BYTES]


@cache
def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"core.pagination.cursor", "sha256")


def list_scope(request: Request | HttpRequest) -> str:
    """Name the list that a request asks for: its address without the page's part."""
    filters = sorted(
        (name, value)
        for name, values in request.GET.lists()
        if name not in PAGE_PARAMS
        for value in values
    )
    return orjson.dumps([request.path, filters], default=str).decode()


def parse_limit(request: Request | HttpRequest) -> int:
    text = request.GET.get("limit", "")
    if not text:
        return DEFAULT_LIMIT
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)):
        limit = int(text)
        if 1 <= limit <= MAX_LIMIT:
            return limit
    raise InvalidParameterError(f"Give 1 to {MAX_LIMIT}.", parameter="limit")


def parse_flag(request: Request | HttpRequest, name: str) -> bool:
    text = request.GET.get(name, "false")
    if text not in {"true", "false"}:
        raise InvalidParameterError("Give true or false.", parameter=name)
    return text == "true"


def parse_cursor(request: Request | HttpRequest, *, scope: str) -> Cursor | None:
    token = request.GET.get("cursor")
    return None if token is None else decode_cursor(token, scope=scope)


@dataclass(frozen=True, slots=True)
class PageLinks:
    next: str | None
    previous: str | None

    def header(self) -> str:
        named = (("next", self.next), ("prev", self.previous))
        return ", ".join(f'<{url}>; rel="{rel}"' for rel, url in named if url)


def page_links(
    request: Request | HttpRequest,
    *,
    next_position: Sequence[Any] | None,
    previous_position: Sequence[Any] | None,
    scope: str,
) -> PageLinks:
    """Make the addresses of the pages after ``next_position``, before the other."""

    def link(position: Sequence[Any] | None, *, backwards: bool) -> str | None:
        if position is None:
            return None
        query = request.GET.copy()
        query["cursor"] = encode_cursor(position, scope=scope, backwards=backwards)
        path = escape_uri_path(request.path)
        return request.build_absolute_uri(f"{path}?{query.urlencode()}")

    return PageLinks(
        next=link(next_position, backwards=False),
        previous=link(previous_position, backwards=True),
    )


def page_response(
    request: Request | HttpRequest,
    results_bytes: Sequence[bytes],
    *,
    next_position: Sequence[Any] | None,
    previous_position: Sequence[Any] | None,
    scope: str,
    count: int | None = None,
) -> HttpResponse:
    """Join finished JSON fragments to a list's envelope without parsing them."""
    links = page_links(
        request,
        next_position=next_position,
        previous_position=previous_position,
        scope=scope,
    )
    head = orjson.dumps({"next": links.next, "previous": links.previous})
    counted = b"" if count is None else b',"count":%d' % count
    body = b"%b%b,%b%b]}" % (
        head[:-1],
        counted,
        b'"results":[',
        b",".join(results_bytes),
    )
    response = HttpResponse(body, content_type="application/json")
    if link_header := links.header():
        response.headers["Link"] = link_header
    return response


class KeysetPagination(BasePagination):
    """Pages over a QuerySet by the view's ``ordering``, such as ``("-placed_at", "-id")``.

    The fields must be unique together and never null.
    """

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any]:
        self.request = request
        self.ordering: tuple[str, ...] = tuple(getattr(view, "ordering", ("-id",)))
        self.scope = list_scope(request) + repr(self.ordering)
        limit = parse_limit(request)
        cursor = parse_cursor(request, scope=self.scope)
        self.count = queryset.count() if parse_flag(request, "count") else None

        backwards = cursor is not None and cursor.backwards
        ordering = _reversed(self.ordering) if backwards else self.ordering
        page = queryset.order_by(*ordering)
        if cursor is not None:
            position = _cast(queryset, ordering, cursor.position)
            page = page.filter(_rows_after(ordering, position))
        rows = list(page[: limit + 1])
        has_more = len(rows) > limit
        rows = rows[:limit]
        if backwards:
            rows.reverse()
        self.has_next = bool(rows) and (backwards or has_more)
        self.has_previous = bool(rows) and (has_more if backwards else bool(cursor))
        self.rows = rows
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        links = page_links(
            self.request,
            next_position=self._position(-1) if self.has_next else None,
            previous_position=self._position(0) if self.has_previous else None,
            scope=self.scope,
        )
        envelope: dict[str, Any] = {"next": links.next, "previous": links.previous}
        if self.count is not None:
            envelope["count"] = self.count
        header = links.header()
        return Response(
            {**envelope, "results": data}, headers={"Link": header} if header else None
        )

    def _position(self, index: int) -> list[Any]:
        row = self.rows[index]
        return [_value(row, name.removeprefix("-")) for name in self.ordering]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": link | {"example": _EXAMPLE_LINK},
                "previous": link | {"example": None},
                "count": {
                    "type": "integer",
                    "description": "With `?count=true`.",
                    "example": 42,
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(
        self,
        view: APIView,  # noqa: ARG002 -- DRF's signature
    ) -> list[dict[str, Any]]:
        return PAGE_PARAMETERS


PAGE_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "cursor",
        "in": "query",
        "description": "Where the page starts; comes from `next` and `previous`.",
        "schema": {"type": "string", "maxLength": _MAX_CURSOR_CHARS},
    },
    {
        "name": "limit",
        "in": "query",
        "description": "Results per page.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LIMIT,
            "default": DEFAULT_LIMIT,
        },
    },
    {
        "name": "count",
        "in": "query",
        "description": "Also count all results, which costs extra.",
        "schema": {"type": "boolean", "default": False},
    },
]


def _reversed(ordering: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        name.removeprefix("-") if name.startswith("-") else f"-{name}"
        for name in ordering
    )


def _rows_after(ordering: Sequence[str], position: Sequence[Any]) -> Q:
    """Build ``(a, b) > (x, y)`` for columns of mixed direction."""
    condition = Q()
    equal = Q()
    for name, value in zip(ordering, position, strict=True):
        field = name.removeprefix("-")
        comparison = "lt" if name.startswith("-") else "gt"
        condition |= equal & Q(**{f"{field}__{comparison}": value})
        equal &= Q(**{field: value})
    # Implied by the rest, but an index can use it as one range.
    first = ordering[0].removeprefix("-")
    bound = "lte" if ordering[0].startswith("-") else "gte"
    return Q(**{f"{first}__{bound}": position[0]}) & condition


def _cast(
    queryset: QuerySet[Any], ordering: Sequence[str], position: Sequence[Any]
) -> list[Any]:
    try:
        return [
            _field(queryset, name.removeprefix("-")).to_python(value)
            for name, value in zip(ordering, position, strict=True)
        ]
    except (ValidationError, ValueError) as error:
        raise InvalidCursorError from error


def _field(queryset: QuerySet[Any], name: str) -> "Field[Any, Any]":
    if name in queryset.query.annotations:
        return queryset.query.annotations[name].output_field
    model = queryset.model
    *relations, last = name.split("__")
    for relation in relations:
        model = model._meta.get_field(relation).related_model  # noqa: SLF001 -- Django documents _meta
    field: Field[Any, Any] = model._meta.get_field(last)  # noqa: SLF001 -- Django's documented API
    return field


def _value(row: Any, name: str) -> Any:
    if isinstance(row, Mapping):
        return row[name]
    for part in name.split("__"):
        row = getattr(row, part)
    return row
