"""The id that ties a response, its log line and its problem document together."""

import re
from contextvars import ContextVar, Token

from core.ids import uuid7_text

# What a client may call its request: visible, short, harmless in a log.
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}", re.ASCII)
_current: ContextVar[str] = ContextVar("request_id", default="")


def accept_request_id(offered: str) -> str:
    """Return the client's own id if it is sane, else a new one."""
    return offered if _SANE.fullmatch(offered) else uuid7_text()


def current_request_id() -> str:
    """Return the id of the request being answered, or "" outside of one."""
    return _current.get()


def enter_request(request_id: str) -> Token[str]:
    return _current.set(request_id)


def leave_request(token: Token[str]) -> None:
    _current.reset(token)
