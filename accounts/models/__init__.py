from accounts.models._activity import ActivityEntry, ActivityQuerySet
from accounts.models._sessions import RefreshToken, Session, SessionQuerySet
from accounts.models._users import User, UserManager, UserQuerySet

__all__ = [
    "ActivityEntry",
    "ActivityQuerySet",
    "RefreshToken",
    "Session",
    "SessionQuerySet",
    "User",
    "UserManager",
    "UserQuerySet",
]
