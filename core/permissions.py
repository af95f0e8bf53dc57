"""Permissions by name. A view without one lets nobody in.

A caller is nobody, a person, or a machine with a key. A machine has permissions and
nothing of its own: what only asks for a signed-in user is closed to it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request

# DRF's views import this module through the settings, while they load themselves.
if TYPE_CHECKING:
    from rest_framework.views import APIView


def is_machine(user: Any) -> bool:
    return getattr(user, "is_machine", False)


def admits_machines(permissions: Iterable[Any]) -> bool:
    """Tell whether any of the view's permissions speaks of more than a signed-in user."""
    return any(
        isinstance(permission, Anyone) or hasattr(permission, "scope")
        for permission in permissions
    )


def refuse_held_back(user: Any) -> None:
    """Tell a member of staff what his sign-in lacks, where staff's work is asked for."""
    if reason := getattr(user, "held_back_by", None):
        raise reason


class DenyAll(BasePermission):
    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 -- DRF's signature
        return False


class Anyone(BasePermission):
    """Said out loud where no sign-in is needed."""


def requires(permission: str) -> type[BasePermission]:
    """Make a class that asks for a role's permission, such as ``catalog.change_product``."""

    class RequiresPermission(BasePermission):
        codename = permission
        # What an API key needs for it.
        scope = permission

        def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 -- DRF's signature
            user = request.user
            refuse_held_back(user)
            return user.is_authenticated and user.has_perm(permission)

    return RequiresPermission


def requires_of_person(permission: str) -> type[BasePermission]:
    """Make a class that asks a person for a role's permission, and refuses machines.

    For what concerns people, roles and keys: no API key may have such a permission.
    """

    class RequiresOfPerson(IsAuthenticated):
        codename = permission

        def has_permission(self, request: Request, view: "APIView") -> bool:
            user = request.user
            refuse_held_back(user)
            return (
                super().has_permission(request, view)
                and not is_machine(user)
                and user.has_perm(permission)
            )

    return RequiresOfPerson


def person_or(permission: str) -> type[BasePermission]:
    """Make a class that admits each signed-in person, and machines with the permission.

    For what shows a person his own and staff everything.
    """

    class PersonOrPermission(IsAuthenticated):
        scope = permission

        def has_permission(self, request: Request, view: "APIView") -> bool:
            if is_machine(request.user):
                return bool(request.user.has_perm(permission))
            return super().has_permission(request, view)

    return PersonOrPermission
