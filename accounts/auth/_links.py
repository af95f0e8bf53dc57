"""Links that work without a sign-in: signed, for one thing, for a time."""

from datetime import datetime
from uuid import UUID

from django.core import signing

from accounts.constants import EXPORT_LINK_LIFETIME

LINK_TOKEN_MAX_LENGTH = 256
_EXPORT = "accounts.export_link"
_UNDO = "accounts.undo_erasure"


def make_export_token(export_id: UUID) -> str:
    return signing.dumps(export_id.hex, salt=_EXPORT)


def is_export_token(token: str, export_id: UUID) -> bool:
    """Tell whether the token is this export's and no older than a link may be."""
    if len(token) > LINK_TOKEN_MAX_LENGTH:
        return False
    try:
        named = signing.loads(token, salt=_EXPORT, max_age=EXPORT_LINK_LIFETIME)
    except signing.BadSignature:
        return False
    return bool(named == export_id.hex)


def make_undo_token(user_id: UUID, erase_after: datetime) -> str:
    """Make what undoes this erasure, and no later one of the same person."""
    return signing.dumps([user_id.hex, erase_after.isoformat()], salt=_UNDO)


def read_undo_token(token: str) -> tuple[UUID, datetime] | None:
    if len(token) > LINK_TOKEN_MAX_LENGTH:
        return None
    try:
        user_id, erase_after = signing.loads(token, salt=_UNDO)
    except signing.BadSignature:
        return None
    return UUID(user_id), datetime.fromisoformat(erase_after)
