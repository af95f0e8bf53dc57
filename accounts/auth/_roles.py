from typing import Any

from django.contrib.auth.backends import ModelBackend

from accounts.models import User


class RoleBackend(ModelBackend):
    """Django's own, with permissions read once for as long as a caller is remembered."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        memo = user_obj.permission_memo if isinstance(user_obj, User) else None
        if memo is None or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if "all" not in memo:
            memo["all"] = super().get_all_permissions(user_obj)
        return memo["all"]
