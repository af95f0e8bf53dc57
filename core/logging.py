"""One stream of JSON lines (colours at home), each with its request id, no secrets."""

import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from core.request_ids import current_request_id

REDACTED = "[redacted]"
# Names whose values never reach a log, whoever logs them.
_SECRET_NAME = re.compile(
    r"authorization|cookie|password|secret|token|ticket|api_?key|cart_?id"
    r"|^(access|refresh|session_?id|csrf\w*)$",
    re.IGNORECASE,
)
# Most texts hold none of these and need no closer look.
_SUSPICIOUS = re.compile(r"[= ]|eyJ|/carts/|://")
# Values that give themselves away inside other text: credentials, JSON web tokens, a
# cart's address, a password in a URL.
_SECRET_TEXT = (
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), REDACTED),
    (re.compile(r"(/carts/)[0-9a-fA-F-]{32,36}"), rf"\1{REDACTED}"),
    (re.compile(r"(://[^:/@\s]*:)[^@/\s]+@"), rf"\1{REDACTED}@"),
    (
        re.compile(r"((?:token|password|secret|cart_id)=)[^&\s\"']+", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
)


def redact(
    logger: Any,  # noqa: ARG001 -- structlog's signature
    method_name: str,  # noqa: ARG001 -- structlog's signature
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    for name, value in event_dict.items():
        event_dict[name] = _redacted(name, value)
    return event_dict


def _redacted(name: str, value: Any) -> Any:
    if _is_secret(name) and value:
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", inner) for inner in value]
    return value


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    if not _SUSPICIOUS.search(text):
        return text
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _add_request_id(
    logger: Any,  # noqa: ARG001 -- structlog's signature
    method_name: str,  # noqa: ARG001 -- structlog's signature
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    if request_id := current_request_id():
        event_dict.setdefault("request_id", request_id)
    return event_dict


def _to_json(event_dict: Any, **_: Any) -> str:
    # Last resort for bytes and the like: a log line must never raise.
    return orjson.dumps(
        event_dict, default=repr, option=orjson.OPT_NON_STR_KEYS
    ).decode()


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    _add_request_id,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _has_colours() -> bool:
    # Through the one log of `manage.py up`, only that knows whether a person looks on.
    return sys.stderr.isatty() or "FORCE_COLOR" in os.environ


def _last_processors(*, colours: bool) -> list[Processor]:
    if colours:
        return [redact, structlog.dev.ConsoleRenderer(colors=_has_colours())]
    return [
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.JSONRenderer(serializer=_to_json),
    ]


def configure() -> None:
    """Send structlog's loggers through the standard library's, to its handlers."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def settings(*, level: str, colours: bool) -> dict[str, Any]:
    """Make Django's ``LOGGING``: everything to standard error, in one format."""
    by_the_way = level if level == "DEBUG" else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": "structlog.stdlib.ProcessorFormatter",
                "foreign_pre_chain": _SHARED,
                "processors": [
                    ProcessorFormatter.remove_processors_meta,
                    *_last_processors(colours=colours),
                ],
            }
        },
        "handlers": {
            "stream": {"class": "logging.StreamHandler", "formatter": "lines"}
        },
        "root": {"handlers": ["stream"], "level": level},
        "loggers": {
            # A request's own line says all that Django's would say again.
            "django.request": {"level": "CRITICAL"},
            "django.security": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "level": "CRITICAL", "propagate": False},
            # Beat's rounds come every second or two; a task that fails still says so.
            "celery.app.trace": {"level": by_the_way},
            "celery.beat": {"level": by_the_way},
            "celery.worker.strategy": {"level": by_the_way},
            # A line for each outgoing call, with its address; a failed one is told by
            # who made it.
            "httpx2": {"level": by_the_way},
        },
    }
