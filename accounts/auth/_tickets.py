"""Tickets between the steps of a sign-in: signed, so that limits can read whose they are."""

from uuid import UUID

from django.core import signing

from accounts.constants import TICKET_LIFETIME

_SALT = "accounts.ticket"
TICKET_MAX_LENGTH = 512


def make_ticket(*, user_id: UUID, ceremony_id: UUID) -> str:
    return signing.dumps([user_id.hex, ceremony_id.hex], salt=_SALT)


def read_ticket(ticket: str) -> tuple[UUID, UUID] | None:
    """Return whose ticket it is and its ceremony's id, unless it is forged or old."""
    if len(ticket) > TICKET_MAX_LENGTH:
        return None
    try:
        user_id, ceremony_id = signing.loads(
            ticket, salt=_SALT, max_age=TICKET_LIFETIME
        )
    except signing.BadSignature:
        return None
    return UUID(user_id), UUID(ceremony_id)


def user_of_ticket(ticket: str) -> str | None:
    found = read_ticket(ticket)
    return None if found is None else str(found[0])
