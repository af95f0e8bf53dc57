"""Permissions by name. A view without one lets nobody in."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

# DRF's views import this module through the settings, while they load themselves.
if TYPE_CHECKING:
    from rest_framework.views import APIView


class DenyAll(BasePermission):
    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 -- DRF's signature
        return False


class Anyone(BasePermission):
    """Said out loud where no sign-in is needed."""


def requires(permission: str) -> type[BasePermission]:
    """Make a class that asks for a role's permission, such as ``catalog.change_product``."""

    class RequiresPermission(BasePermission):
        codename = permission

        def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 -- DRF's signature
            user = request.user
            return user.is_authenticated and user.has_perm(permission)

    return RequiresPermission
