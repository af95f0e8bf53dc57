from accounts.admin._users import RoleAdmin, UserAdmin

__all__ = ["RoleAdmin", "UserAdmin"]
