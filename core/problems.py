"""RFC 9457 documents for everything that is neither 2xx nor 3xx."""

import logging
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from django.conf import settings
from django.core import exceptions as django_exceptions
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from psycopg.errors import ProgramLimitExceeded, QueryCanceled
from rest_framework import exceptions as drf_exceptions
from rest_framework.settings import api_settings

from core import exceptions
from core.errors import DomainError, ErrorKind, FieldError
from core.locking import RETRY_AFTER_SECONDS, BusyError, is_lock_timeout
from core.request_ids import current_request_id

CONTENT_TYPE = "application/problem+json"
_logger = logging.getLogger(__name__)


class ProblemResponse(HttpResponse):
    """A problem document; ``data`` is its content before it became bytes."""

    def __init__(self, error: DomainError, request: HttpRequest) -> None:
        self.data = problem_document(error, request)
        super().__init__(
            orjson.dumps(self.data, default=str),
            content_type=CONTENT_TYPE,
            status=error.kind.value,
        )
        # Some leave past the middleware that would say how long the answer is.
        self.headers["Content-Length"] = str(len(self.content))
        self.headers["Cache-Control"] = "no-store"
        for name, value in error.headers().items():
            self.headers[name] = value
        if error.kind is ErrorKind.UNAUTHENTICATED:
            self.headers.setdefault("WWW-Authenticate", 'Bearer realm="shopwright"')


def problem_document(error: DomainError, request: HttpRequest) -> dict[str, Any]:
    request_id = current_request_id()
    document: dict[str, Any] = {
        "type": type_url(type(error), request),
        "title": error.title,
        "status": error.kind.value,
        "code": error.code,
        "detail": error.detail,
        "instance": f"urn:uuid:{as_uuid(request_id)}",
        "request_id": request_id,
    }
    if error.errors:
        document["errors"] = [
            {"pointer": e.pointer, "code": e.code, "detail": e.detail} | e.extra
            for e in error.errors
        ]
    # The standard members win, whatever an extension is called.
    return error.extensions | document


def type_url(error: type[DomainError], request: HttpRequest) -> str:
    """Return the absolute address of the problem's page."""
    try:
        origin = f"{request.scheme}://{request.get_host()}"
    except django_exceptions.DisallowedHost:
        origin = settings.SHOP_URL.rstrip("/")
    return f"{origin}/problems/{error.slug()}"


def as_uuid(request_id: str) -> UUID:
    """Return the UUID by which a problem document names its request."""
    try:
        return UUID(request_id)
    except ValueError:
        # The client's own id needn't be a UUID; the same id gives the same URN.
        return uuid5(NAMESPACE_URL, request_id)


def exception_handler(
    exc: Exception, context: Mapping[str, Any]
) -> HttpResponse | None:
    """Answer what a view raised; ``None`` leaves a bug to become a 500."""
    error = anticipated_error(exc)
    if error is None:
        return None
    request = context["request"]
    return ProblemResponse(error, getattr(request, "_request", request))


def anticipated_error(exc: BaseException | None) -> DomainError | None:
    """Translate an exception of Django, DRF or the database into ours."""
    if exc is None or isinstance(exc, DomainError):
        return exc
    if isinstance(exc, django_exceptions.ValidationError):
        exc = drf_exceptions.ValidationError(exc.messages)
    if isinstance(exc, drf_exceptions.APIException):
        return _from_drf(exc)
    if isinstance(exc, DataError) or _is_beyond_limits(exc):
        # A value that validation should have stopped: the client's mistake to the
        # client, ours to the log.
        _logger.error("A value reached the database that it refuses.", exc_info=exc)
        return exceptions.MalformedRequestError()
    if (late := _late(exc)) is not None:
        return late
    for kind, error in _TRANSLATIONS:
        if isinstance(exc, kind):
            return error()
    return None


def _late(exc: BaseException) -> DomainError | None:
    """Tell what came too late in the database: the lock, or the statement's end."""
    if is_lock_timeout(exc):
        return BusyError(retry_after=RETRY_AFTER_SECONDS)
    if isinstance(exc.__cause__, QueryCanceled):
        return exceptions.DeadlineExceededError()
    return None


def _is_beyond_limits(exc: BaseException) -> bool:
    """Tell a value too long for an index from a database that is away."""
    return isinstance(exc.__cause__, ProgramLimitExceeded)


# The first match counts, so subclasses stand above their bases.
_TRANSLATIONS: tuple[tuple[type[Exception], type[DomainError]], ...] = (
    (Http404, exceptions.NotFoundError),
    (django_exceptions.PermissionDenied, exceptions.PermissionDeniedError),
    (django_exceptions.DisallowedHost, exceptions.UnknownHostError),
    (django_exceptions.RequestDataTooBig, exceptions.BodyTooLargeError),
    (django_exceptions.SuspiciousOperation, exceptions.MalformedRequestError),
    (django_exceptions.BadRequest, exceptions.MalformedRequestError),
    (MultiPartParserError, exceptions.MalformedRequestError),
    (UnreadablePostError, exceptions.MalformedRequestError),
    (OperationalError, exceptions.ServiceUnavailableError),
    (InterfaceError, exceptions.ServiceUnavailableError),
)


def _from_drf(exc: drf_exceptions.APIException) -> DomainError:
    if isinstance(exc, drf_exceptions.ValidationError):
        return exceptions.ValidationFailedError(
            errors=tuple(field_errors(exc.detail, "#"))
        )
    if isinstance(exc, drf_exceptions.Throttled):
        return exceptions.QuotaExceededError(
            retry_after=int(getattr(exc, "wait", None) or 0) + 1
        )
    error = _ERRORS_BY_STATUS.get(exc.status_code, exceptions.InternalError)
    if isinstance(exc, drf_exceptions.NotAuthenticated):
        error = exceptions.NotAuthenticatedError
    # The detail of a failed token is a dictionary; its parts are no help to clients.
    return error(str(exc.detail) if isinstance(exc.detail, str) else "")


def field_errors(detail: Any, pointer: str) -> Iterator[FieldError]:
    """Walk DRF's nested error detail and name every place as a JSON pointer."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = str(name) == api_settings.NON_FIELD_ERRORS_KEY
            below = pointer if own else f"{pointer}/{_escape(str(name))}"
            yield from field_errors(inner, below)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            is_container = isinstance(inner, Mapping | list | tuple)
            below = f"{pointer}/{index}" if is_container else pointer
            yield from field_errors(inner, below)
    else:
        code = getattr(detail, "code", None) or "invalid"
        yield FieldError(pointer, str(code), str(detail))


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


_ERRORS_BY_STATUS: dict[int, type[DomainError]] = {
    HTTPStatus.BAD_REQUEST: exceptions.MalformedRequestError,
    HTTPStatus.UNAUTHORIZED: exceptions.AuthenticationFailedError,
    HTTPStatus.FORBIDDEN: exceptions.PermissionDeniedError,
    HTTPStatus.NOT_FOUND: exceptions.NotFoundError,
    HTTPStatus.METHOD_NOT_ALLOWED: exceptions.MethodNotAllowedError,
    HTTPStatus.NOT_ACCEPTABLE: exceptions.NotAcceptableError,
    HTTPStatus.CONFLICT: exceptions.ConflictError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: exceptions.BodyTooLargeError,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: exceptions.UnsupportedMediaTypeError,
    HTTPStatus.UNPROCESSABLE_ENTITY: exceptions.ValidationFailedError,
    HTTPStatus.TOO_MANY_REQUESTS: exceptions.QuotaExceededError,
    HTTPStatus.SERVICE_UNAVAILABLE: exceptions.ServiceUnavailableError,
    HTTPStatus.GATEWAY_TIMEOUT: exceptions.DeadlineExceededError,
}


def as_problem(response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    """Replace a refusal in any other format, such as a middleware's, by a problem."""
    is_refusal = response.status_code >= HTTPStatus.BAD_REQUEST
    if not is_refusal or response.headers.get("Content-Type") == CONTENT_TYPE:
        return response
    is_ours = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    fallback = exceptions.MalformedRequestError if is_ours else exceptions.InternalError
    error = _ERRORS_BY_STATUS.get(response.status_code, fallback)()
    problem = ProblemResponse(error, request)
    for name in ("Allow", "Retry-After", "WWW-Authenticate", "Vary"):
        if name in response.headers:
            problem.headers[name] = response.headers[name]
    return problem


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    error = anticipated_error(exception) or exceptions.MalformedRequestError()
    return ProblemResponse(error, request)


def permission_denied(
    request: HttpRequest,
    exception: Exception,  # noqa: ARG001 -- Django's signature
) -> HttpResponse:
    return ProblemResponse(exceptions.PermissionDeniedError(), request)


def not_found(
    request: HttpRequest,
    exception: Exception,  # noqa: ARG001 -- Django's signature
) -> HttpResponse:
    return ProblemResponse(exceptions.NotFoundError(), request)


def csrf_failure(
    request: HttpRequest,
    reason: str = "",  # noqa: ARG001 -- Django's signature
) -> HttpResponse:
    return ProblemResponse(exceptions.CsrfFailedError(), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception that nobody handled; Django calls this while it is live.

    An anticipated one can still arrive here, raised by a middleware or a plain view.
    The traceback goes to the request's log line.
    """
    failure = sys.exc_info()[1]
    error = anticipated_error(failure)
    if error is None or error.kind is ErrorKind.INTERNAL:
        request.META["shopwright.failure"] = failure
        error = exceptions.InternalError()
    return ProblemResponse(error, request)
