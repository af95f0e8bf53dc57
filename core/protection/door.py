"""A refusal in front of Django: under a flood, saying no must cost next to nothing.

Only for API calls, and only if the gate would refuse them at once. All else, and every
doubt, goes on to the middleware. Such refusals take nothing from any quota and are
counted, but not logged one by one.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest

from core.exceptions import TemporaryReducedCapacityError
from core.ids import uuid7_text
from core.problems import CONTENT_TYPE, as_uuid
from core.protection import deadlines, shedding
from core.protection.counters import counters
from core.protection.gate import ThreadGate
from core.protection.marks import ANNOUNCED
from core.protection.priorities import Priority
from core.protection.switches import mode_of
from core.request_ids import accept_request_id

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# To learn who comes; a request gets its own deadline further inside.
LOOK_SECONDS = 1.0
PREFIX = "/api/"
STATUS = "503 Service Unavailable"
# Who asks only whether he may ask, or shows what the resolvers of callers don't know.
_NEED_A_LOOK = frozenset({"HTTP_X_API_KEY", "HTTP_ACCESS_CONTROL_REQUEST_METHOD"})


class Door:
    def __init__(self, application: Application) -> None:
        self._application = application
        error = TemporaryReducedCapacityError
        document = {
            "type": f"{settings.SHOP_URL.rstrip('/')}/problems/{error.slug()}",
            "title": error.title,
            "status": error.kind.value,
            "code": error.code,
            "detail": error.title,
        }
        # Open at its end, where each refusal says which one it is.
        self._document = orjson.dumps(document)[:-1].decode()
        self._headers = [
            ("Content-Type", CONTENT_TYPE),
            ("Cache-Control", "no-store"),
            ("API-Version", settings.API_VERSION),
            ("X-Content-Type-Options", "nosniff"),
            ("Vary", "origin"),
        ]

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(PREFIX) and _NEED_A_LOOK.isdisjoint(environ):
            gate = shedding.gate_in_use()
            if gate is not None and mode_of("load_shedding") == "enforce":
                return self._answer(gate, path, environ, start_response)
        return self._application(environ, start_response)

    def _answer(
        self,
        gate: ThreadGate,
        path: str,
        environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        if not gate.has_room:
            level, rank = _level_and_rank(gate, path, environ)
            if gate.refuse_at_once(priority=level, rank=rank):
                return self._refuse(level, environ, start_response)
        # Before anybody has got to the gate, a crowd would find it empty and pass whole.
        gate.announce()
        environ[ANNOUNCED] = True
        try:
            return self._application(environ, start_response)
        finally:
            # Who was blocked, had asked enough, or failed never came to the gate.
            if environ.pop(ANNOUNCED, False):
                gate.withdraw()

    def _refuse(
        self, level: int, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        offered = environ.get("HTTP_X_REQUEST_ID")
        # Of the signs that an id may have none needs an escape in JSON.
        request_id = uuid7_text() if offered is None else accept_request_id(offered)
        instance = request_id if offered is None else as_uuid(request_id)
        body = (
            f'{self._document},"instance":"urn:uuid:{instance}"'
            f',"request_id":"{request_id}"}}'
        ).encode()
        headers = [
            *self._headers,
            ("Content-Length", str(len(body))),
            ("Retry-After", str(shedding.retry_seconds(level))),
            ("X-Request-ID", request_id),
            *_for_browsers(environ),
        ]
        counters.add(f"answers|503|{level}")
        start_response(STATUS, headers)
        return [body]


def _level_and_rank(gate: ThreadGate, path: str, environ: Environ) -> tuple[int, float]:
    priority = shedding.priorities().find(environ["REQUEST_METHOD"], path)
    if "HTTP_AUTHORIZATION" in environ:
        # He may be more important than his route.
        return _ranked(priority, environ)
    if gate.is_hopeless(priority.level):
        # Nobody of the class has a chance: no need to ask who it is.
        return priority.level, priority.level
    return priority.level, shedding.rank_of_visitor(priority, environ)


def _ranked(priority: Priority, environ: Environ) -> tuple[int, float]:
    request = HttpRequest()
    request.META = environ
    try:
        with deadlines.deadline(LOOK_SECONDS):
            return shedding.ranked(priority, request)
    finally:
        # To know a new signing key the database is asked, and here no request ends that
        # would give its connection back.
        close_old_connections()


def _for_browsers(environ: Environ) -> list[tuple[str, str]]:
    """Let a page of another origin read the refusal, if that may read our answers."""
    origin = environ.get("HTTP_ORIGIN")
    if not origin or origin not in settings.CORS_ALLOWED_ORIGINS:
        return []
    exposed = ", ".join(settings.CORS_EXPOSE_HEADERS)
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", exposed),
    ]
