"""How operations describe themselves: derived from the view, so that owners write little.

An owner says the summary (or a docstring), the serializers and ``problems``. Headers,
the query parameters of lists, the refusals that any operation knows, the permission and
missing examples are worked out here.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import IsAuthenticated
from rest_framework.serializers import Serializer

from core import exceptions
from core.conditional import PreconditionRequiredError, StaleVersionError
from core.errors import DomainError, ErrorKind, problem_types
from core.examples import example_of
from core.idempotency import (
    IdempotencyInProgressError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyRequiredError,
    IdempotencyKeyReusedError,
)
from core.locking import BusyError
from core.pagination import PAGE_PARAMETERS, InvalidCursorError
from core.permissions import Anyone
from core.problems import CONTENT_TYPE
from core.views import ApiView

_ALWAYS: tuple[type[DomainError], ...] = (
    exceptions.MalformedRequestError,
    exceptions.InvalidHeaderError,
    exceptions.UnknownApiVersionError,
    exceptions.UnknownHostError,
    exceptions.NotAcceptableError,
    exceptions.AddressBlockedError,
    exceptions.TemporaryReducedCapacityError,
    exceptions.QuotaExceededError,
    exceptions.InternalError,
    exceptions.ServiceUnavailableError,
    exceptions.DeadlineExceededError,
)
_WITH_BODY: tuple[type[DomainError], ...] = (
    exceptions.MalformedJSONError,
    exceptions.BodyTooLargeError,
    exceptions.UnsupportedMediaTypeError,
    exceptions.ValidationFailedError,
)
_WITH_KEY: tuple[type[DomainError], ...] = (
    IdempotencyKeyReusedError,
    IdempotencyInProgressError,
)
# The header fields of draft-ietf-httpapi-ratelimit-headers-10.
_QUOTA_HEADERS: dict[str, Any] = {
    "RateLimit-Policy": {
        "description": "The quotas that apply: requests `q` per `w` seconds.",
        "schema": {"type": "string", "example": '"burst";q=60;w=10'},
    },
    "RateLimit": {
        "description": "What is left of them: `r` requests; more in `t` seconds.",
        "schema": {"type": "string", "example": '"burst";r=59;t=1'},
    },
}
_ETAG = {"type": "string", "example": '"3-9f86d081884c7d65"'}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong, as RFC 9457 has it. Some types add members.",
    "required": [
        "type",
        "title",
        "status",
        "code",
        "detail",
        "instance",
        "request_id",
    ],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri",
            "description": "Leads to a page with causes and cure.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable; made for programs."},
        "detail": {"type": "string", "description": "About this one case."},
        "instance": {"type": "string", "format": "uri"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer into the body, behind `#`.",
                    },
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


class Schema(AutoSchema):
    """Completes each operation of an ``ApiView``."""

    view: ApiView  # type: ignore[override]  # others are left as they are

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None or not isinstance(self.view, ApiView):
            return operation
        if (form := self._delete_form()) is not None:
            operation["requestBody"] = self._delete_body(form)
        self._add_parameters(operation)
        self._add_response_headers(operation)
        for status, response in self._problem_responses():
            operation["responses"][status] = response
        operation["x-permission"] = self._permission()
        return operation

    def _delete_form(self) -> type[Serializer[Any]] | None:
        return self.view.delete_form if self.method == "DELETE" else None

    def _delete_body(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """Describe the body of a DELETE, of which the library knows none."""
        component = self.resolve_serializer(form, "request")
        return {
            "content": {"application/json": {"schema": component.ref}},
            "required": True,
        }

    def get_summary(self) -> str | None:
        summary: str | None = super().get_summary()
        return summary or self._docstring()[0].rstrip(".") or None

    def get_description(self) -> str:  # type: ignore[override]  # DRF's own inspectors differ
        return self._docstring()[1]

    def get_tags(self) -> list[str]:
        app = type(self.view).__module__.partition(".")[0]
        return [settings.OPENAPI_TAGS.get(app, app.capitalize())]

    def get_auth(self) -> list[dict[str, Any]]:
        if not self.view.get_authenticators():
            return []
        schemes: list[dict[str, Any]] = [{"bearer": []}]
        if scopes := self._scopes():
            schemes.append({"api_key": scopes})
        return [*schemes, *([{}] if self._is_open() else [])]

    def _scopes(self) -> list[str]:
        """Name what an API key needs; nothing where it isn't let in as one."""
        return [
            permission.scope
            for permission in self.view.get_permissions()
            if hasattr(permission, "scope")
        ]

    def _docstring(self) -> tuple[str, str]:
        handler = getattr(self.view, self._action(), None)
        text = getattr(handler, "__doc__", None) or ""
        head, _, rest = text.partition("\n\n")
        return _unwrapped(head), _unwrapped(rest)

    def _action(self) -> str:
        return getattr(self.view, "action", None) or self.method.lower()

    def _permission(self) -> str:
        """Name who may: "anyone", "user", or the permission that a role must hold."""
        permissions = self.view.get_permissions()
        names = [p.codename for p in permissions if hasattr(p, "codename")]
        if names:
            return " and ".join(names)
        if any(isinstance(p, IsAuthenticated) for p in permissions):
            return "user"
        is_open = all(isinstance(p, Anyone) for p in permissions)
        return "anyone" if is_open and permissions else "nobody"

    def _is_open(self) -> bool:
        return self._permission() == "anyone"

    def _idempotency(self) -> str:
        if self.method not in {"POST", "PATCH"}:
            return "ignored"
        mode = self.view.idempotency
        return mode if isinstance(mode, str) else mode.get(self._action(), "optional")

    def _pages(self) -> bool:
        has_pages = getattr(self.view, "pagination_class", None) is not None
        return has_pages and bool(self._is_list_view())

    def _add_parameters(self, operation: dict[str, Any]) -> None:
        parameters = operation.setdefault("parameters", [])
        known = {(p["in"], p["name"]) for p in parameters if "name" in p}
        parameters.extend(
            p for p in self._derived_parameters() if (p["in"], p["name"]) not in known
        )

    def _derived_parameters(self) -> Iterator[dict[str, Any]]:
        if self.method == "GET":
            if self._pages():
                yield from PAGE_PARAMETERS
            yield _query("fields", "Only these members, separated by commas.")
            for name in sorted(self.view.query_params_of(self._action())):
                yield _query(name, "")
            yield _header("If-None-Match", "Answers 304 to who has this ETag.", _ETAG)
        mode = self._idempotency()
        if mode != "ignored":
            yield _header(
                "Idempotency-Key",
                "A new random value; the same one when the request is repeated.",
                {"type": "string", "minLength": 1, "maxLength": 255},
                required=mode == "required",
            )
        problems = self.view.problems_of(self._action())
        if StaleVersionError in problems or PreconditionRequiredError in problems:
            yield _header(
                "If-Match",
                "The ETag of the version that you have seen.",
                _ETAG,
                required=PreconditionRequiredError in problems,
            )
        yield _header(
            "API-Version",
            "The dated version that the client was written against.",
            {"type": "string", "enum": list(settings.API_VERSIONS)},
        )
        yield _header(
            "Request-Timeout",
            "How many seconds the answer is worth waiting for; capped per route.",
            {"type": "number", "minimum": 0.05, "maximum": 3600, "example": 2.5},
        )
        yield _header(
            "X-Request-ID", "Your own id for the request.", {"type": "string"}
        )

    def _add_response_headers(self, operation: dict[str, Any]) -> None:
        for response in operation["responses"].values():
            headers = response.setdefault("headers", {})
            headers["X-Request-ID"] = {"schema": {"type": "string"}}
            headers["API-Version"] = {"schema": {"type": "string"}}
            headers |= _QUOTA_HEADERS
            if self.method == "GET" and self._pages():
                headers["Link"] = {
                    "description": "The pages `next` and `prev` (RFC 8288).",
                    "schema": {"type": "string"},
                }

    def _problem_responses(self) -> Iterator[tuple[str, dict[str, Any]]]:
        by_status: defaultdict[int, list[type[DomainError]]] = defaultdict(list)
        for error in dict.fromkeys(self._problems()):
            by_status[error.kind.value].append(error)
        for status, errors in sorted(by_status.items()):
            yield str(status), _problem_response(errors)

    def _problems(self) -> Iterator[type[DomainError]]:
        yield from _ALWAYS
        yield from self._access_problems()
        yield from self._input_problems()
        yield from self.view.problems_of(self._action())

    def _access_problems(self) -> Iterator[type[DomainError]]:
        permission = self._permission()
        if self.view.get_authenticators():
            yield exceptions.AuthenticationFailedError
        if permission != "anyone":
            yield exceptions.NotAuthenticatedError
        if permission != "anyone":
            yield exceptions.PermissionDeniedError

    def _input_problems(self) -> Iterator[type[DomainError]]:
        if "{" in self.path:
            yield exceptions.NotFoundError
        yield exceptions.UnknownParameterError
        if self.method == "GET":
            yield exceptions.InvalidParameterError
            if self._pages():
                yield InvalidCursorError
        else:
            yield BusyError
        if self.method in {"POST", "PUT", "PATCH"} or self._delete_form() is not None:
            yield from _WITH_BODY
        if self.method in {"POST", "PATCH"}:
            yield IdempotencyKeyInvalidError
        if self._idempotency() != "ignored":
            yield from _WITH_KEY
        if self._idempotency() == "required":
            yield IdempotencyKeyRequiredError


def _unwrapped(text: str) -> str:
    """Join a docstring's lines to paragraphs, as Markdown would."""
    paragraphs = text.strip().split("\n\n")
    joined = (
        " ".join(paragraph.replace("``", "`").split()) for paragraph in paragraphs
    )
    # What a docstring tells programmers (``:raises X:``) stands in the problems.
    return "\n\n".join(p for p in joined if not p.startswith(":"))


def _query(name: str, description: str) -> dict[str, Any]:
    parameter = {"name": name, "in": "query", "schema": {"type": "string"}}
    return parameter | ({"description": description} if description else {})


def _header(
    name: str, description: str, schema: dict[str, Any], *, required: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "required": required,
        "schema": schema,
    }


def _problem_response(errors: Iterable[type[DomainError]]) -> dict[str, Any]:
    ordered = sorted(errors, key=lambda error: error.code)
    headers: dict[str, Any] = {"X-Request-ID": {"schema": {"type": "string"}}}
    kinds = {e.kind for e in ordered}
    if ErrorKind.QUOTA_EXCEEDED in kinds:
        headers |= _QUOTA_HEADERS
    if kinds & {ErrorKind.UNAVAILABLE, ErrorKind.QUOTA_EXCEEDED}:
        headers["Retry-After"] = {"schema": {"type": "string"}}
    return {
        "description": "\n".join(f"- `{e.code}`: {e.title}" for e in ordered),
        "headers": headers,
        "content": {
            CONTENT_TYPE: {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Problem"},
                        {
                            "type": "object",
                            "properties": {"code": {"enum": [e.code for e in ordered]}},
                        },
                    ]
                },
                "examples": {
                    e.code: {"$ref": f"#/components/examples/{e.code}"} for e in ordered
                },
            }
        },
    }


def _problem_example(error: type[DomainError]) -> dict[str, Any]:
    request_id = settings.OPENAPI_EXAMPLES["id"]
    return {
        "type": f"{settings.SHOP_URL.rstrip('/')}/problems/{error.slug()}",
        "title": error.title,
        "status": error.kind.value,
        "code": error.code,
        "detail": error.title,
        "instance": f"urn:uuid:{request_id}",
        "request_id": request_id,
    }


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Finish the document: shared parts once, and an example wherever one is missing."""
    components = result.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A person's access token, from `POST /api/v1/auth/login`.",
        },
        "api_key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "sw_live_… or sw_test_…",
            "description": "A machine's key, from `POST /api/v1/api-keys`. It needs the scope that the operation names.",
        },
    }
    shared: dict[str, Any] = {}
    for operations in result["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            _add_examples(
                [operation.get("requestBody", {}), *responses.values()], schemas
            )
            for status, response in responses.items():
                responses[status] = _share_problem(response, shared, status)
    components["responses"] = dict(sorted(shared.items()))
    components["examples"] = {
        code: {"value": _problem_example(error)}
        for code, error in sorted(problem_types().items())
    }
    return result


def _add_examples(bodies: Iterable[dict[str, Any]], schemas: dict[str, Any]) -> None:
    for body in bodies:
        for media in body.get("content", {}).values():
            if "examples" not in media and "schema" in media:
                value = example_of(media["schema"], schemas)
                media["examples"] = {"example": {"value": value}}


def _share_problem(
    response: dict[str, Any], shared: dict[str, Any], status: str
) -> dict[str, Any]:
    """Keep equal refusals once, under a name that their codes make."""
    media = response.get("content", {}).get(CONTENT_TYPE)
    if media is None:
        return response
    digest = hashlib.sha256(" ".join(media["examples"]).encode()).hexdigest()
    name = f"Problem{status}-{digest[:8]}"
    shared[name] = response
    return {"$ref": f"#/components/responses/{name}"}
