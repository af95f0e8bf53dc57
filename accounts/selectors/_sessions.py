from datetime import datetime
from uuid import UUID

from accounts.models import Session, SessionQuerySet


def open_sessions_of(user_id: UUID, *, now: datetime) -> SessionQuerySet:
    """Return where the user is signed in."""
    return Session.objects.alive(now=now).filter(user_id=user_id)
