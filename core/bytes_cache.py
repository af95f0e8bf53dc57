"""Public answers as finished bytes, under a generation that every change raises.

A hit costs one look at the generation and no view. What can't be had from the cache is
built: with Valkey out of reach nothing is remembered, and nothing fails. What can't be
built, because the database is out, is answered as it was last known, with its ``Age``.
"""

from collections.abc import Callable
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.utils.cache import patch_vary_headers
from rest_framework.request import Request

from core.bytes_store import (
    Entry,
    current_generation,
    fetch,
    flights,
    memory,
    raise_generation,
    share,
)
from core.conditional import hash_body, matches_etag, not_modified
from core.postgresql.outage import outage
from core.protection.counters import counters
from core.protection.marks import FROM_CACHE

PUBLIC = "public, max-age=0, must-revalidate"
# Nothing was found out, for want of a database that answers.
_WITHOUT_ANSWER = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_STORED_HEADERS = ("Content-Type", "ETag", "Link", "Vary", "Cache-Control")

Build = Callable[[], bytes | HttpResponseBase]


def public_bytes(
    view: Callable[..., Any], *, namespace: str = "catalog"
) -> Callable[..., Any]:
    """Answer anonymous reads of a view from the cache, before the view is entered.

    Whoever sends credentials may see more, and writes must happen: those pass through.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        build = partial(view, request, *args, **kwargs)
        if not _is_public_read(request):
            response: HttpResponseBase = build()
            return response
        return cached(request, namespace=namespace, build=build)

    return answer


def _is_public_read(request: HttpRequest) -> bool:
    if request.method not in {"GET", "HEAD"} or "HTTP_AUTHORIZATION" in request.META:
        return False
    accept = request.META.get("HTTP_ACCEPT", "*/*")
    return "*/*" in accept or "application/json" in accept


def cached(
    request: HttpRequest | Request, *, build: Build, namespace: str = "catalog"
) -> HttpResponseBase:
    """Return what ``build`` made of the same address in this generation, or build it.

    Only a 200 without cookies is remembered. It gets a strong ETag, and 304 is the
    answer to whoever has it. In one process one thread builds, the others wait.
    """
    if not settings.BYTES_CACHE:
        return _answer(request, _built(request, build))
    generation = current_generation(namespace)
    key = _key(request)
    if generation is not None:
        entry = memory.get(namespace, generation, key)
        if entry is not None:
            request.META[FROM_CACHE] = True
            return _answer(request, entry)
    if outage.is_resting and (last := memory.last(namespace, key)):
        # One caller a second finds out whether the database is back.
        return _answer_last(request, last, namespace)
    found = _find_or_build(request, build, namespace, generation, key)
    return _answer_or_last(request, found, namespace, key)


def bump_generation(namespace: str = "catalog") -> None:
    """Forget every answer of the namespace once the current transaction commits."""
    transaction.on_commit(partial(raise_generation, namespace), robust=True)


def _key(request: HttpRequest | Request) -> str:
    meta = request.META
    # Links in the answer are absolute, so host and scheme are part of what it says.
    return "\n".join(
        (
            request.scheme or "",
            meta.get("HTTP_HOST", "") or request.get_host(),
            meta.get("PATH_INFO", ""),
            meta.get("QUERY_STRING", ""),
            meta.get("HTTP_API_VERSION", "") or settings.API_VERSION,
        )
    )


def _built(request: HttpRequest | Request, build: Build) -> "Entry | HttpResponseBase":
    """Build for everybody: the condition of the one who asks must not shape it."""
    condition = request.META.pop("HTTP_IF_NONE_MATCH", None)
    try:
        answer = build()
    finally:
        if condition is not None:
            request.META["HTTP_IF_NONE_MATCH"] = condition
    if isinstance(answer, SimpleTemplateResponse):
        answer.render()
    if isinstance(answer, bytes):
        answer = HttpResponse(answer, content_type="application/json")
    if (
        not isinstance(answer, HttpResponse)
        or answer.status_code != HTTPStatus.OK
        or answer.cookies
    ):
        return answer
    return _entry(answer)


def _entry(response: HttpResponse) -> Entry:
    content = response.content
    response.headers["Cache-Control"] = PUBLIC
    response.headers.setdefault("ETag", f'"{hash_body(content)}"')
    patch_vary_headers(response, ("Accept", "API-Version", "Authorization"))
    headers = response.headers
    return Entry(
        content, {name: headers[name] for name in _STORED_HEADERS if name in headers}
    )


def _answer(
    request: HttpRequest | Request, found: "Entry | HttpResponseBase"
) -> HttpResponseBase:
    if not isinstance(found, Entry):
        return found
    response = HttpResponse(found.content, headers=found.headers)
    condition = request.META.get("HTTP_IF_NONE_MATCH")
    if condition and matches_etag(condition, found.headers["ETag"]):
        return not_modified(response)
    return response


def _answer_or_last(
    request: HttpRequest | Request,
    found: "Entry | HttpResponseBase",
    namespace: str,
    key: str,
) -> HttpResponseBase:
    """Answer; in place of "not now" with what this process knew last, and how old it is."""
    if isinstance(found, Entry):
        return _answer(request, found)
    if found.status_code not in _WITHOUT_ANSWER:
        if found.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            # What isn't there any more, or not for everybody, isn't told again.
            memory.forget(namespace, key)
        return found
    last = memory.last(namespace, key)
    return found if last is None else _answer_last(request, last, namespace)


def _answer_last(
    request: HttpRequest | Request, last: Entry, namespace: str
) -> HttpResponseBase:
    """Answer what is stale as RFC 5861 means it, with its age as RFC 9111 counts it.

    ``ETag`` and ``Cache-Control`` stay: whoever keeps the answer asks before he uses it
    again, and gets 304 while it is still the last one.
    """
    counters.add(f"stale|{namespace}")
    # How long it took says nothing about the route.
    request.META[FROM_CACHE] = True
    response = _answer(request, last)
    response.headers["Age"] = str(int(last.age_seconds))
    return response


def _find_or_build(
    request: HttpRequest | Request,
    build: Build,
    namespace: str,
    generation: int | None,
    key: str,
) -> "Entry | HttpResponseBase":
    if generation is None:
        return _built(request, build)
    found = flights.lead_or_wait(
        (namespace, generation, key),
        lambda: _found_or_built(request, build, namespace, generation, key),
    )
    return found or _built(request, build)


def _found_or_built(
    request: HttpRequest | Request,
    build: Build,
    namespace: str,
    generation: int,
    key: str,
) -> "Entry | HttpResponseBase":
    entry = fetch(namespace, generation, key)
    if entry is None:
        built = _built(request, build)
        if not isinstance(built, Entry):
            return built
        entry = built
        share(namespace, generation, key, entry)
    memory.put(namespace, generation, key, entry)
    return entry
