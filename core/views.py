"""The base of every API view: what holds for each request, said once."""

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from core import idempotency as idempotency_keys
from core.conditional import hash_body, matches_etag, not_modified
from core.errors import DomainError
from core.exceptions import (
    InvalidParameterError,
    MethodNotAllowedError,
    PermissionDeniedError,
    UnknownParameterError,
)
from core.pagination import PAGE_PARAMS
from core.permissions import admits_machines, is_machine
from core.protection import deadlines
from core.protection.addresses import client_of
from core.renderers import JSONRenderer
from core.sparse import parse_member_names, require_known, select_members

_IDEMPOTENT_METHODS = frozenset({"POST", "PATCH"})
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_ALWAYS_KNOWN = frozenset({"fields"})
# What nearly all clients send.
_PLAIN_ACCEPTS = frozenset({"*/*", "application/json"})
# The actions that answer a page of a list where the view has a pagination class.
_LIST_ACTIONS = frozenset({"get", "list"})
PRIVATE = "private, no-store"

Problems = tuple[type[DomainError], ...]


class ApiView(APIView):
    """Deny by default, strict input, idempotent writes, conditional reads.

    ``idempotency`` is "optional", "required" or "ignored" (where an answer holds what
    must not be kept, such as a token), or says so per action; an action in
    ``idempotency_phased`` runs transactions of its own. ``query_params`` names what a
    request without a body takes beyond ``fields`` and a list's page, for all actions
    or per action; with ``None`` the view checks them itself.
    ``request_seconds`` is the longest that a request may take, ``statement_seconds`` the
    longest for one statement of it.
    ``problems`` are the domain errors an operation can answer, for all actions or per
    action; the OpenAPI document lists them.
    """

    idempotency: ClassVar[
        idempotency_keys.Mode | Mapping[str, idempotency_keys.Mode]
    ] = "optional"
    idempotency_phased: ClassVar[Collection[str]] = ()
    query_params: ClassVar[Collection[str] | Mapping[str, Collection[str]] | None] = ()
    problems: ClassVar[Problems | Mapping[str, Problems]] = ()
    # What DELETE takes as its body, where it takes any.
    delete_form: ClassVar[type[Serializer[Any]] | None] = None
    request_seconds: ClassVar[float] = deadlines.REQUEST_SECONDS
    statement_seconds: ClassVar[float] = deadlines.STATEMENT_SECONDS

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.args, self.kwargs = args, kwargs
        self.headers = {}
        self.request = request = self.initialize_request(request, *args, **kwargs)
        try:
            handler = self._handler(request)
            self.initial(request, *args, **kwargs)
            self.response = self._perform(request, handler)
        except Exception as exc:  # noqa: BLE001 -- handle_exception re-raises bugs
            self.response = self._finish(request, self.handle_exception(exc))
        return self.response

    def _handler(self, request: Request) -> Callable[..., Any]:
        method = (request.method or "").lower()
        handler: Callable[..., Any] | None = getattr(self, method, None)
        # Said before anything is asked about the caller: the method exists for nobody.
        if method not in self.http_method_names or handler is None:
            raise MethodNotAllowedError(allowed=tuple(self.allowed_methods))
        return handler

    def perform_content_negotiation(
        self,
        request: Request,
        force: bool = False,  # noqa: FBT001, FBT002 -- DRF's signature
    ) -> tuple[Any, str]:
        """Choose at once where there is no choice, as for nearly every request."""
        if (
            len(self.renderer_classes) == 1
            and self.renderer_classes[0] is JSONRenderer
            and request.META.get("HTTP_ACCEPT", "*/*") in _PLAIN_ACCEPTS
        ):
            return JSONRenderer(), JSONRenderer.media_type
        return super().perform_content_negotiation(request, force)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._check_query(request)
        if request.method in _BODY_METHODS or (
            request.method == "DELETE" and self.delete_form is not None
        ):
            self._read_body(request)

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if is_machine(request.user) and not admits_machines(self.get_permissions()):
            raise PermissionDeniedError("This is for people; an API key is nobody.")

    def _read_body(self, request: Request) -> None:
        """Parse now, so that a malformed body is refused even where none is used."""
        if not (request.content_type or "").startswith("multipart/"):
            # In memory and bounded, for the parser and for the idempotency key's sake.
            _ = request.body
        _ = request.data

    def _check_query(self, request: Request) -> None:
        known = self._known_parameters(request)
        if known is not None:
            for name in request.GET:
                if name not in known:
                    raise UnknownParameterError(
                        f"There is no parameter {name!r}.", known=sorted(known)
                    )
                if len(request.GET.getlist(name)) > 1:
                    raise InvalidParameterError(
                        "It is given more than once.", parameter=name
                    )
        if request.method in {"GET", "HEAD"} and "fields" in request.GET:
            names = parse_member_names(request.GET["fields"])
            members = self._members()
            if members is not None:
                require_known(names, members)

    def _known_parameters(self, request: Request) -> frozenset[str] | None:
        """Name what the query may hold; None leaves that to the view."""
        action = self.action_name()
        if request.method not in {"GET", "HEAD"}:
            # What steers a list means nothing to a write of the same view.
            by_action = isinstance(self.query_params, Mapping)
            return frozenset(self.query_params_of(action) if by_action else ())
        if self.query_params is None:
            return None
        known = _ALWAYS_KNOWN.union(self.query_params_of(action))
        return known | PAGE_PARAMS if self.is_paged(action) else known

    def _members(self) -> Collection[str] | None:
        """Return the resource's members where a serializer declares them."""
        serializer = getattr(self, "serializer_class", None)
        return None if serializer is None else serializer().fields.keys()

    def _perform(self, request: Request, handler: Callable[..., Any]) -> Any:
        def answer() -> Any:
            try:
                response = handler(request, *self.args, **self.kwargs)
            except Exception as exc:  # noqa: BLE001 -- handle_exception re-raises bugs
                response = self.handle_exception(exc)
            return self._finish(request, response)

        if request.method not in _IDEMPOTENT_METHODS:
            return answer()
        match = request.resolver_match
        return idempotency_keys.run(
            request,
            scope=self.idempotency_scope(request),
            route=f"{request.method} {match.route if match else request.path}"[:200],
            mode=self.idempotency_mode(),
            phased=self.action_name() in self.idempotency_phased,
            handler=answer,
            about=self.idempotency_subject(),
        )

    def idempotency_scope(self, request: Request) -> str:
        """Name whose keys these are. Views behind a secret (carts) use that instead."""
        if request.user.is_authenticated:
            kind = "key" if is_machine(request.user) else "user"
            return f"{kind}:{request.user.pk}"
        return f"anon:{client_of(request).name}"

    def idempotency_subject(self) -> str:
        """Name what a kept answer tells of, where that isn't whose keys these are.

        It is erased with it: a person's data must not last in an answer to somebody else.
        """
        return ""

    def idempotency_mode(self) -> idempotency_keys.Mode:
        if isinstance(self.idempotency, str):
            return self.idempotency
        return self.idempotency.get(self.action_name(), "optional")

    def action_name(self) -> str:
        method = (self.request.method or "").lower()
        # A view answers HEAD by what it does for GET.
        return getattr(self, "action", None) or ("get" if method == "head" else method)

    def query_params_of(self, action: str) -> Collection[str]:
        params: Collection[str] | None = self.query_params
        if isinstance(self.query_params, Mapping):
            params = self.query_params.get(action)
        return params or ()

    def is_paged(self, action: str) -> bool:
        has_pages = getattr(self, "pagination_class", None) is not None
        return has_pages and action in _LIST_ACTIONS

    def problems_of(self, action: str) -> Problems:
        if isinstance(self.problems, Mapping):
            return self.problems.get(action, ())
        return self.problems

    def _finish(self, request: Request, response: Any) -> Any:
        if request.method in {"GET", "HEAD"}:
            self._reduce(request, response)
        self.finalize_response(request, response, *self.args, **self.kwargs)
        if isinstance(response, Response):
            response.render()
        response.headers.setdefault("Cache-Control", PRIVATE)
        patch_vary_headers(response, ("Accept", "API-Version"))
        return _conditional(request, response)

    def _reduce(self, request: Request, response: Any) -> None:
        if response.status_code != HTTPStatus.OK or "fields" not in request.GET:
            return
        names = parse_member_names(request.GET["fields"])
        if isinstance(response, Response):
            response.data = select_members(response.data, names)
        elif response.headers.get("Content-Type") == "application/json":
            content = select_members(orjson.loads(response.content), names)
            response.content = orjson.dumps(content)

    @property
    def default_response_headers(self) -> dict[str, str]:
        # DRF would put Allow on every answer; here only a 405 has it.
        return {}

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 -- DRF's signature
        allowed = ", ".join(self.allowed_methods)
        return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Allow": allowed})


def _conditional(request: Request, response: HttpResponseBase) -> HttpResponseBase:
    """Make a version's tag strong by the body's hash, and answer 304 to who has it."""
    etag = response.headers.get("ETag")
    if (
        not etag
        or not isinstance(response, HttpResponse)
        or response.status_code >= HTTPStatus.MULTIPLE_CHOICES
    ):
        return response
    if etag[1:-1].isdigit() and response.content:
        etag = f'{etag[:-1]}-{hash_body(response.content)}"'
        response.headers["ETag"] = etag
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if request.method in {"GET", "HEAD"} and header and matches_etag(header, etag):
        return not_modified(response)
    return response


class ApiViewSet(ApiView, GenericViewSet[Any]):
    """The same over a QuerySet and a serializer; see ``ApiView``."""
