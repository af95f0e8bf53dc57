from accounts.admin._activity import ActivityEntryAdmin
from accounts.admin._users import RoleAdmin, UserAdmin

__all__ = ["ActivityEntryAdmin", "RoleAdmin", "UserAdmin"]
