from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Count, Q, QuerySet

from accounts.exceptions import RoleNotFoundError, UserNotFoundError
from accounts.models import User


def users_matching(
    *,
    q: str | None = None,
    role: str | None = None,
    is_active: bool | None = None,
    is_staff: bool | None = None,
) -> QuerySet[User]:
    """Return people, roles along; ``q`` is a part of an address or of a name."""
    users = User.objects.filter(erased_at=None).prefetch_related("groups")
    if q is not None:
        users = users.filter(Q(email__contains=q.lower()) | Q(name__icontains=q))
    if role is not None:
        users = users.filter(groups__name=role)
    if is_active is not None:
        users = users.filter(is_active=is_active)
    if is_staff is not None:
        users = users.filter(is_staff=is_staff)
    return users


def get_user(user_id: UUID) -> User:
    """Return a person, roles along.

    :raises UserNotFoundError:
    """
    users = User.objects.filter(erased_at=None).prefetch_related("groups")
    user = users.filter(pk=user_id).first()
    if user is None:
        raise UserNotFoundError
    return user


def roles() -> QuerySet[Group]:
    """Return the roles, each with its permissions and how many people have it."""
    counted = Group.objects.annotate(people=Count("user", distinct=True))
    return counted.prefetch_related("permissions__content_type")


def get_role(name: str) -> Group:
    """Return one.

    :raises RoleNotFoundError:
    """
    role = roles().filter(name=name).first()
    if role is None:
        raise RoleNotFoundError
    return role
