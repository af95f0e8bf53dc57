from accounts.models._users import User, UserManager, UserQuerySet

__all__ = ["User", "UserManager", "UserQuerySet"]
