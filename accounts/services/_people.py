from collections.abc import Collection
from datetime import datetime
from functools import partial
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.auth import forget_user
from accounts.constants import Role
from accounts.exceptions import UnknownRoleError
from accounts.models import User
from accounts.selectors import role_names
from core import audit


@transaction.atomic
def create_user(
    *,
    email: str,
    password: str | None,
    name: str = "",
    roles: Collection[str] = (Role.CUSTOMER,),
    verified_at: datetime | None = None,
) -> User:
    """Make an account for somebody; who isn't verified can't sign in by password yet."""
    user = User.objects.create_user(
        email, password, name=name, email_verified_at=verified_at
    )
    assign_roles(user_id=user.pk, roles=roles)
    user.refresh_from_db()
    return user


@transaction.atomic
def assign_roles(
    *, user_id: UUID, roles: Collection[str], actor_id: UUID | None = None
) -> None:
    """Make these the user's only roles. All but ``customer`` open the administration.

    :raises UnknownRoleError:
    """
    user = User.objects.select_for_update().get(pk=user_id)
    before = role_names(user)
    groups = list(Group.objects.filter(name__in=roles))
    unknown = sorted(set(roles) - {group.name for group in groups})
    if unknown:
        raise UnknownRoleError(f"Unknown: {', '.join(unknown)}.", unknown=unknown)

    user.groups.set(groups)
    user.is_staff = user.is_superuser or bool(set(roles) - {Role.CUSTOMER})
    user.save(update_fields=["is_staff", "updated_at"])
    transaction.on_commit(partial(forget_user, user.pk))
    if before != sorted(roles):
        audit.record(
            user,
            "roles_assigned",
            before={"roles": before},
            after={"roles": sorted(roles)},
            actor_id=actor_id,
        )
