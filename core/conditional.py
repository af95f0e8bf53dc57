"""Versions as entity tags: who changes a thing says which state was seen."""

import hashlib
import re
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import F, Model, QuerySet
from django.http import HttpRequest, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from core.errors import DomainError, ErrorKind
from core.exceptions import NotFoundError

_VERSION_TAG = re.compile(r'"(\d{1,18})(?:-[0-9a-f]{1,64})?"', re.ASCII)
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class PreconditionRequiredError(DomainError):
    code = "precondition_required"
    kind = ErrorKind.PRECONDITION_REQUIRED
    title = "Say which version you have seen"
    cause = "The change needs an If-Match header, so that nobody's work is overwritten."
    cure = "Read the resource and send its ETag as If-Match."


class StaleVersionError(DomainError):
    code = "stale_version"
    kind = ErrorKind.PRECONDITION_FAILED
    title = "Somebody changed it meanwhile"
    cause = "The If-Match header names a version that is no longer the current one."
    cure = "Read the resource again, apply your change to it, and send its new ETag."

    def __init__(self, current_etag: str = "", **extensions: Any) -> None:
        super().__init__(**extensions)
        self.current_etag = current_etag

    def headers(self) -> dict[str, str]:
        if not self.current_etag:
            return super().headers()
        return super().headers() | {"ETag": self.current_etag}


def make_etag(version: int, body_hash: str = "") -> str:
    return f'"{version}-{body_hash}"' if body_hash else f'"{version}"'


def hash_body(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def expected_version(request: Request | HttpRequest) -> int:
    """Return the version that ``If-Match`` names.

    :raises PreconditionRequiredError: when the header is missing, or ``*``, which
        names none.
    :raises StaleVersionError: when it can't be the tag of any version of ours.
    """
    header = request.META.get("HTTP_IF_MATCH", "").strip()
    if header in {"", "*"}:
        raise PreconditionRequiredError
    match = _VERSION_TAG.fullmatch(header)
    if match is None:
        raise StaleVersionError
    return int(match[1])


def set_etag(response: HttpResponseBase, version: int) -> None:
    """Mark the response; its tag gets a hash of the body once that is bytes."""
    response.headers["ETag"] = make_etag(version)


def update_versioned(queryset: QuerySet[Any], *, version: int, **changes: Any) -> None:
    """Change the one row of ``queryset`` if it still has the version, and raise that.

    One statement decides, so two writers with one tag can't both win.

    :raises StaleVersionError: when the row is at another version.
    :raises NotFoundError: when it is gone.
    """
    if _has_field(queryset.model, "updated_at"):
        changes.setdefault("updated_at", timezone.now())
    if queryset.filter(version=version).update(version=F("version") + 1, **changes):
        return
    current = queryset.values_list("version", flat=True).first()
    if current is None:
        raise NotFoundError
    raise StaleVersionError(make_etag(current))


def _has_field(model: type[Model], name: str) -> bool:
    try:
        model._meta.get_field(name)  # noqa: SLF001 -- Django documents _meta
    except FieldDoesNotExist:
        return False
    return True


def matches_etag(header: str, etag: str) -> bool:
    """Compare ``If-None-Match`` weakly, as RFC 9110 asks."""
    if header.strip() == "*":
        return True
    plain = etag.removeprefix("W/")
    return any(tag.removeprefix("W/") == plain for tag in _TAG.findall(header))


def not_modified(response: HttpResponseBase) -> HttpResponseNotModified:
    """Make the 304 for a response that the client already has."""
    answer = HttpResponseNotModified()
    for name in ("ETag", "Cache-Control", "Vary", "Link", "Expires"):
        if name in response.headers:
            answer.headers[name] = response.headers[name]
    return answer
