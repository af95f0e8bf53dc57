"""Identifiers that sort by the time of their making (UUIDv7, RFC 9562)."""

from datetime import datetime
from uuid import UUID

from uuid_utils import uuid7 as _uuid7_in_rust
from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    return _uuid7()


def uuid7_text() -> str:
    """Return the text of a new one, without an object of Python's in between."""
    return str(_uuid7_in_rust())


def first_uuid7(at: datetime) -> UUID:
    """Return what no id that is made at that time or later is less than."""
    return UUID(int=int(at.timestamp() * 1000) << 80)
