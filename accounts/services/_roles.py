from collections.abc import Collection, Iterable

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.constants import GIVES_ROLES, Role
from accounts.exceptions import (
    GrantsTooMuchError,
    LastAdminError,
    RoleNotFoundError,
    UnknownPermissionError,
)
from accounts.models import User
from accounts.selectors import (
    missing_permissions,
    permission_names,
    permissions_named,
    unknown_permissions,
)
from core import audit
from core.errors import FieldError


@transaction.atomic
def create_role(*, name: str, permissions: Collection[str], actor: User) -> Group:
    """Make a role of the shop's own.

    :raises UnknownPermissionError:
    :raises GrantsTooMuchError: for a permission that ``actor`` doesn't have.
    """
    _require_known(permissions)
    _require_own(permissions, permissions, actor)
    role = Group.objects.create(name=name)
    role.permissions.set(permissions_named(permissions))
    audit.record(
        role,
        "role_created",
        after={"name": name, "permissions": sorted(permissions)},
        actor_id=actor.pk,
    )
    return role


@transaction.atomic
def change_role(*, name: str, permissions: Collection[str], actor: User) -> Group:
    """Make these the role's only permissions; holds everywhere within seconds.

    :raises RoleNotFoundError:
    :raises UnknownPermissionError:
    :raises GrantsTooMuchError: for giving or taking a permission that ``actor``
        doesn't have.
    :raises LastAdminError: when nobody could give roles any more.
    """
    role = Group.objects.select_for_update(no_key=True).filter(name=name).first()
    if role is None:
        raise RoleNotFoundError
    _require_known(permissions)
    before = permission_names(role.permissions.all())
    after = sorted(set(permissions))
    _require_own(permissions, set(before) ^ set(after), actor)
    if name == Role.ADMIN and not set(after) >= GIVES_ROLES:
        lost = sorted(GIVES_ROLES - set(after))
        raise LastAdminError("The role admin needs these.", permissions=lost)
    if before == after:
        return role

    role.permissions.set(permissions_named(permissions))
    audit.record(
        role,
        "role_permissions_changed",
        before={"permissions": before},
        after={"permissions": after},
        actor_id=actor.pk,
    )
    return role


@transaction.atomic
def delete_role(*, role: Group, actor: User) -> None:
    """Take a role of the shop's own from everybody, and delete it.

    :raises GrantsTooMuchError: when it holds what ``actor`` doesn't have.
    """
    before = permission_names(role.permissions.all())
    _require_own((), before, actor)
    audit.record(
        role,
        "role_deleted",
        before={"name": role.name, "permissions": before},
        actor_id=actor.pk,
    )
    role.delete()


def _require_known(permissions: Collection[str]) -> None:
    if unknown := unknown_permissions(permissions):
        raise UnknownPermissionError(
            errors=_at(permissions, unknown, "unknown_permission", "There is none.")
        )


def _require_own(
    shown: Collection[str], permissions: Iterable[str], actor: User
) -> None:
    missing = missing_permissions(actor, permissions)
    if missing:
        raise GrantsTooMuchError(
            "You can't give or take what you don't have.",
            errors=_at(shown, missing, "grants_too_much", "You don't have it."),
            permissions=missing,
        )


def _at(
    permissions: Collection[str], wrong: Collection[str], code: str, detail: str
) -> list[FieldError]:
    return [
        FieldError(f"#/permissions/{index}", code, detail, {"permission": name})
        for index, name in enumerate(permissions)
        if name in wrong
    ]
