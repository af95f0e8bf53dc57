"""Somebody must stay able to run the shop."""

from django.contrib.auth.models import Group
from django.db.models import Q

from accounts.constants import Role
from accounts.exceptions import LastAdminError
from accounts.models import User


def require_an_admin() -> None:
    """Make sure that an active admin is left by what the transaction has done so far.

    Whoever takes an admin away asks this afterwards. One asks at a time, until his
    transaction ends, so that two who take each other away can't both be satisfied.

    :raises LastAdminError:
    """
    lock_admins()
    if not has_admin():
        raise LastAdminError


def has_admin() -> bool:
    # Who is about to be erased is on his way out.
    return User.objects.active().filter(_IS_ADMIN, erase_after=None).exists()


def is_admin(user: User) -> bool:
    return User.objects.filter(_IS_ADMIN, pk=user.pk).exists()


_IS_ADMIN = Q(is_superuser=True) | Q(
    pk__in=User.groups.through.objects.filter(group__name=Role.ADMIN).values("user_id")
)


def lock_admins() -> None:
    Group.objects.select_for_update(no_key=True).filter(name=Role.ADMIN).first()
