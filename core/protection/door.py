"""A refusal in front of Django: under a flood, saying no must cost next to nothing.

Only for API calls of visitors who show no proof of who they are, and only if the gate would
refuse them at once. All else, and every doubt, goes on to the middleware. Such refusals
take nothing from any quota and are counted, but not logged one by one.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from django.conf import settings

from core.exceptions import TemporaryReducedCapacityError
from core.problems import CONTENT_TYPE, as_uuid
from core.protection import shedding
from core.protection.counters import counters
from core.protection.switches import mode_of
from core.request_ids import accept_request_id

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

PREFIX = "/api/"
STATUS = "503 Service Unavailable"
# Who shows these may be more important than his route, or asks only whether he may ask.
_NEED_A_LOOK = frozenset(
    {"HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_ACCESS_CONTROL_REQUEST_METHOD"}
)


class Door:
    def __init__(self, application: Application) -> None:
        self._application = application
        error = TemporaryReducedCapacityError
        self._document = {
            "type": f"{settings.SHOP_URL.rstrip('/')}/problems/{error.slug()}",
            "title": error.title,
            "status": error.kind.value,
            "code": error.code,
            "detail": error.title,
        }

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(PREFIX) and _NEED_A_LOOK.isdisjoint(environ):
            gate = shedding.gate_in_use()
            if gate is not None and not gate.has_room:
                method = environ["REQUEST_METHOD"]
                priority = shedding.priorities().find(method, path)
                rank = shedding.rank_of_visitor(priority, environ)
                if mode_of("load_shedding") == "enforce" and gate.refuse_at_once(
                    priority=priority.level, rank=rank
                ):
                    return self._refuse(priority.level, environ, start_response)
        return self._application(environ, start_response)

    def _refuse(
        self, level: int, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        request_id = accept_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        own = {
            "instance": f"urn:uuid:{as_uuid(request_id)}",
            "request_id": request_id,
        }
        body = orjson.dumps(self._document | own)
        headers = [
            ("Content-Type", CONTENT_TYPE),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Retry-After", str(shedding.retry_seconds(level))),
            ("X-Request-ID", request_id),
            ("API-Version", settings.API_VERSION),
            ("X-Content-Type-Options", "nosniff"),
            *_for_browsers(environ),
        ]
        counters.add(f"answers|503|{level}")
        start_response(STATUS, headers)
        return [body]


def _for_browsers(environ: Environ) -> list[tuple[str, str]]:
    """Let a page of another origin read the refusal, if that may read our answers."""
    headers = [("Vary", "origin")]
    origin = environ.get("HTTP_ORIGIN")
    if origin and origin in settings.CORS_ALLOWED_ORIGINS:
        exposed = ", ".join(settings.CORS_EXPOSE_HEADERS)
        headers += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", exposed),
        ]
    return headers
