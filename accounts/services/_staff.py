"""What staff do to people's accounts: give roles, close and open them."""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import Q

from accounts.auth import forget_user
from accounts.constants import ActivityKind, EndReason, Role
from accounts.exceptions import (
    AlreadyDeactivatedError,
    GrantsTooMuchError,
    NotDeactivatedError,
    OutrankedError,
    UserNotFoundError,
)
from accounts.models import User
from accounts.selectors import missing_permissions, permission_names, role_names
from accounts.services._activity import record_activity
from accounts.services._admins import is_admin, require_an_admin
from accounts.services._changing_passwords import start_password_reset
from accounts.services._people import assign_roles
from accounts.services._sessions import end_sessions
from core import audit


@transaction.atomic
def change_roles(
    *, user_id: UUID, roles: Collection[str], actor: User, now: datetime
) -> User:
    """Make these a person's only roles.

    :raises UserNotFoundError:
    :raises UnknownRoleError:
    :raises OutrankedError: when the person may do what ``actor`` may not.
    :raises GrantsTooMuchError: when a new role may.
    :raises LastAdminError: when no active admin would be left.
    """
    user = managed_user(user_id, actor)
    before = role_names(user)
    given = set(roles) - set(before)
    permissions = Permission.objects.filter(group__name__in=given).distinct()
    missing = missing_permissions(actor, permission_names(permissions))
    if missing:
        raise GrantsTooMuchError(
            "A role has permissions that you don't have.", permissions=missing
        )

    assign_roles(user_id=user_id, roles=roles, actor_id=actor.pk)
    if Role.ADMIN in before and Role.ADMIN not in roles:
        require_an_admin()
    if before != sorted(set(roles)):
        record_activity(
            user_id=user_id,
            kind=ActivityKind.ROLES_CHANGED,
            device=None,
            now=now,
            details={"roles": sorted(set(roles))},
        )
    return user


@transaction.atomic
def deactivate_user(*, user_id: UUID, actor: User, now: datetime) -> User:
    """Close an account: nobody signs in any more, and all of its sessions end.

    :raises UserNotFoundError:
    :raises OutrankedError: when the person may do what ``actor`` may not.
    :raises AlreadyDeactivatedError:
    :raises LastAdminError: when no active admin would be left.
    """
    user = managed_user(user_id, actor)
    if not user.is_active:
        raise AlreadyDeactivatedError
    _set_active(user, actor, now, is_active=False)
    if is_admin(user):
        require_an_admin()
    end_sessions(user_id=user_id, reason=EndReason.DEACTIVATED, now=now)
    _record(user, ActivityKind.DEACTIVATED, now)
    return user


@transaction.atomic
def reactivate_user(*, user_id: UUID, actor: User, now: datetime) -> User:
    """Open a closed account again.

    :raises UserNotFoundError:
    :raises OutrankedError: when the person may do what ``actor`` may not.
    :raises NotDeactivatedError:
    """
    user = managed_user(user_id, actor)
    if user.is_active:
        raise NotDeactivatedError
    _set_active(user, actor, now, is_active=True)
    _record(user, ActivityKind.REACTIVATED, now)
    return user


@transaction.atomic
def offer_password_reset(*, user_id: UUID, actor: User, now: datetime) -> None:
    """Mail a person a link to a new password, which nobody else sees.

    :raises UserNotFoundError:
    :raises OutrankedError: when the person may do what ``actor`` may not.
    :raises AlreadyDeactivatedError: a closed account needs no password.
    """
    user = managed_user(user_id, actor)
    if not user.is_active:
        raise AlreadyDeactivatedError
    start_password_reset(user_id=user_id, now=now)
    audit.record(user, "password_reset_offered", actor_id=actor.pk)
    record_activity(
        user_id=user_id,
        kind=ActivityKind.PASSWORD_RESET_REQUESTED,
        device=None,
        now=now,
        details={"by": "staff"},
    )


@transaction.atomic
def end_persons_sessions(*, user_id: UUID, actor: User, now: datetime) -> None:
    """Sign a person out everywhere; the account stays open.

    :raises UserNotFoundError:
    :raises OutrankedError: when the person may do what ``actor`` may not.
    """
    user = managed_user(user_id, actor)
    ended = end_sessions(user_id=user_id, reason=EndReason.ENDED_BY_STAFF, now=now)
    audit.record(user, "sessions_ended", after={"sessions": ended}, actor_id=actor.pk)


def managed_user(user_id: UUID, actor: User) -> User:
    """Lock a person whom ``actor`` may act on."""
    people = User.objects.select_for_update(no_key=True).filter(erased_at=None)
    user = people.filter(pk=user_id).first()
    if user is None:
        raise UserNotFoundError
    if outranks(user, actor):
        raise OutrankedError
    return user


def outranks(user: User, actor: User) -> bool:
    """Tell whether the person may do what ``actor`` may not, once signed in."""
    if user.is_superuser:
        return not actor.is_superuser
    # Asked of the roles: a closed account has no permissions of its own.
    held = Permission.objects.filter(Q(group__user=user) | Q(user=user)).distinct()
    return bool(missing_permissions(actor, permission_names(held)))


def _set_active(user: User, actor: User, now: datetime, *, is_active: bool) -> None:
    user.is_active = is_active
    User.objects.filter(pk=user.pk).update(is_active=is_active, updated_at=now)
    transaction.on_commit(partial(forget_user, user.pk))
    audit.record(
        user,
        "user_reactivated" if is_active else "user_deactivated",
        before={"is_active": not is_active},
        after={"is_active": is_active},
        actor_id=actor.pk,
    )


def _record(user: User, kind: ActivityKind, now: datetime) -> None:
    record_activity(user_id=user.pk, kind=kind, device=None, now=now)
