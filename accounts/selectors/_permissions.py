from collections.abc import Collection, Iterable

from django.contrib.auth.models import Permission
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat

from accounts.models import User


def permission_names(rows: QuerySet[Permission] | None = None) -> list[str]:
    """Return permissions as ``catalog.change_product``, in order."""
    found = Permission.objects.all() if rows is None else rows
    names = found.annotate(
        full_name=Concat(F("content_type__app_label"), Value("."), F("codename"))
    )
    return sorted(names.values_list("full_name", flat=True))


def permissions_named(names: Collection[str]) -> QuerySet[Permission]:
    full_name = Concat(F("content_type__app_label"), Value("."), F("codename"))
    return Permission.objects.alias(full_name=full_name).filter(full_name__in=names)


def unknown_permissions(names: Iterable[str]) -> list[str]:
    wanted = set(names)
    return sorted(wanted - set(permission_names(permissions_named(wanted))))


def missing_permissions(user: User, names: Iterable[str]) -> list[str]:
    """Return those that the user doesn't have."""
    if user.is_active and user.is_superuser:
        return []
    return sorted(set(names) - user.get_all_permissions())
