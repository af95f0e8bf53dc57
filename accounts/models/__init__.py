from accounts.models._activity import ActivityEntry, ActivityQuerySet
from accounts.models._users import User, UserManager, UserQuerySet

__all__ = [
    "ActivityEntry",
    "ActivityQuerySet",
    "User",
    "UserManager",
    "UserQuerySet",
]
