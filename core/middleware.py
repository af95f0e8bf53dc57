"""What surrounds every request. API calls go past what only browsers need."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from core.errors import DomainError
from core.exceptions import MalformedRequestError, UnknownApiVersionError
from core.health import PROBES
from core.permissions import is_machine
from core.problems import ProblemResponse, anticipated_error, as_problem
from core.request_ids import accept_request_id, enter_request, leave_request
from core.security_headers import add_security_headers

API_PREFIX = "/api/"
_log = structlog.get_logger("request")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestMiddleware:
    """Give the request its id, refuse what can't be read, and log it once.

    The outermost one: whatever answers below, a refusal leaves as a problem document.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = accept_request_id(request.META.get("HTTP_X_REQUEST_ID", ""))
        token = enter_request(request_id)
        try:
            response = as_problem(self._answer(request), request)
            response.headers["X-Request-ID"] = request_id
            add_security_headers(response, request)
            if request.path_info.startswith(API_PREFIX):
                response.headers["API-Version"] = settings.API_VERSION
            _log_request(request, response, time.perf_counter() - started)
        finally:
            leave_request(token)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        probe = PROBES.get(request.path_info)
        if probe is not None:
            return probe(request)
        try:
            _require_readable(request)
            _require_known_version(request)
        except DomainError as error:
            return ProblemResponse(error, request)
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """Answer what a plain Django view raised, as DRF's handler does for the rest."""
        error = anticipated_error(exception)
        return None if error is None else ProblemResponse(error, request)


def _require_readable(request: HttpRequest) -> None:
    length = request.META.get("CONTENT_LENGTH")
    # Django takes it for a number that the server has checked.
    if length and not (length.isascii() and length.isdigit()):
        raise MalformedRequestError("The Content-Length isn't a number.")
    path = request.path_info
    query = request.META.get("QUERY_STRING", "")
    # Django has put broken bytes of the path back behind percent signs.
    if "%" in path:
        _require_text(unquote_to_bytes(path), "path")
    if "\x00" in path:
        raise MalformedRequestError("The path holds a NUL character.")
    if "%" in query or not query.isascii():
        _require_text(unquote_to_bytes(query.encode("latin-1", "replace")), "query")


def _require_text(raw: bytes, part: str) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"The {part} isn't valid UTF-8.") from error
    if b"\x00" in raw:
        raise MalformedRequestError(f"The {part} holds a NUL character.")


def _require_known_version(request: HttpRequest) -> None:
    version = request.META.get("HTTP_API_VERSION")
    if version and version not in settings.API_VERSIONS:
        known = list(settings.API_VERSIONS)
        raise UnknownApiVersionError(f"There is no version {version!r}.", known=known)


def _log_request(
    request: HttpRequest, response: HttpResponseBase, seconds: float
) -> None:
    match = request.resolver_match
    fields: dict[str, Any] = {
        "method": request.method,
        # The pattern, never the path: a cart's id in it is a secret.
        "route": "" if match is None else match.route,
        "status": response.status_code,
        "duration_ms": round(seconds * 1000, 2),
    }
    user = request.__dict__.get("_cached_user") or request.__dict__.get("user")
    # Only who has been looked up already; a log line is not worth a query.
    if getattr(user, "_wrapped", user) and (user_id := getattr(user, "pk", None)):
        fields["key_id" if is_machine(user) else "user_id"] = str(user_id)
    if isinstance(response, ProblemResponse):
        fields["code"] = response.data["code"]
    failure = request.META.get("shopwright.failure")
    if failure is not None:
        _log.error("request", **fields, exc_info=failure)
    else:
        _log.info("request", **fields)


class _PagesOnly:
    """Skip the middleware for the API, which has neither cookies nor forms.

    Subclasses, so that the admin's checks find what they look for. Those of CSRF and
    framing stay Django's own: they cost an API call next to nothing.
    """

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(API_PREFIX):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]  # of the class it is mixed into


class SessionMiddleware(_PagesOnly, sessions.SessionMiddleware):
    pass


class AuthenticationMiddleware(_PagesOnly, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(_PagesOnly, messages.MessageMiddleware):
    pass
