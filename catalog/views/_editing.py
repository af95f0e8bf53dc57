"""What the catalogue's views share: everyone reads, staff with the permission write."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.conditional import (
    PreconditionRequiredError,
    StaleVersionError,
    set_etag,
)
from core.exceptions import InvalidParameterError, NotFoundError
from core.pagination import KeysetPagination
from core.permissions import Anyone, requires
from core.views import ApiView

VERBS = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
UUID_LENGTH = 36
MAX_TEXT = 100
CONDITIONAL = (PreconditionRequiredError, StaleVersionError)


class CatalogView(ApiView):
    """Reading is for anyone; a write asks for the permission on ``subject``.

    ``verbs`` says otherwise for a method, where adding a part changes the whole.
    """

    subject: ClassVar[str]
    verbs: ClassVar[Mapping[str, str]] = {}

    def get_permissions(self) -> list[BasePermission]:
        method = self.request.method or ""
        if method in SAFE_METHODS or method not in VERBS:
            return [Anyone()]
        verb = self.verbs.get(method, VERBS[method])
        return [requires(f"catalog.{verb}_{self.subject}")()]

    def is_staff(self) -> bool:
        """Tell whether the caller may see what isn't published."""
        return self.request.user.has_perm(f"catalog.view_{self.subject}")

    def page(self, rows: QuerySet[Any], shape: type[BaseSerializer[Any]]) -> Response:
        """Answer one page of the rows in the order that the view names."""
        pagination = KeysetPagination()
        found = pagination.paginate_queryset(rows, self.request, self)
        return pagination.get_paginated_response(shape(found, many=True).data)


def actor_id(request: Request) -> UUID | None:
    return request.user.pk


def validated(
    shape: type[BaseSerializer[Any]], request: Request, *, partial: bool = False
) -> dict[str, Any]:
    given = shape(data=request.data, partial=partial)
    given.is_valid(raise_exception=True)
    fields: dict[str, Any] = given.validated_data
    return fields


def tagged(
    data: Any, version: int, *, status: int = 200, location: str = ""
) -> Response:
    response = Response(data, status=status)
    if location:
        response.headers["Location"] = location
    set_etag(response, version)
    return response


def as_key(text: str) -> UUID | str:
    """Read an id where the text is one, else take it for a slug."""
    try:
        return UUID(text) if len(text) == UUID_LENGTH else text
    except ValueError:
        return text


def find_by_key(rows: QuerySet[Any], text: str, *, name: str = "slug") -> Any:
    """Return the row of this id or slug, or raise NotFoundError."""
    key = as_key(text)
    field = "pk" if isinstance(key, UUID) else name
    row: Model | None = rows.filter(**{field: key}).first()
    if row is None:
        raise NotFoundError
    return row


def parse_text(request: Request | HttpRequest, name: str = "q") -> str:
    text = request.GET.get(name, "")
    if len(text) > MAX_TEXT or "\0" in text:
        raise InvalidParameterError(
            f"Give at most {MAX_TEXT} characters.", parameter=name
        )
    return text


def parse_choice(
    request: Request | HttpRequest, name: str, choices: Collection[str]
) -> str:
    text = request.GET.get(name, "")
    if text and text not in choices:
        listed = ", ".join(choices)
        raise InvalidParameterError(f"Give one of {listed}.", parameter=name)
    return text
