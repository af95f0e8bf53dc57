from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth import authenticate
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.auth import TokenPair, issue_tokens, read_refresh_token
from accounts.constants import Role
from accounts.exceptions import (
    InvalidCredentialsError,
    InvalidRefreshTokenError,
    UnknownRoleError,
)
from accounts.models import User
from accounts.selectors import role_names
from core import audit


@dataclass(frozen=True, slots=True)
class SignIn:
    user: User
    tokens: TokenPair


def sign_in(*, email: str, password: str, now: datetime) -> SignIn:
    """Exchange an address and a password for tokens.

    Takes as long for an unknown address as for a wrong password: Django hashes either
    way, and the account's state is looked at only after that.

    :raises InvalidCredentialsError: for any reason, without saying which.
    """
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        raise InvalidCredentialsError
    User.objects.filter(pk=user.pk).update(last_login=now)
    return SignIn(user=user, tokens=issue_tokens(user, signed_in_at=now))


def refresh_session(*, refresh: str, now: datetime) -> TokenPair:
    """Exchange a refresh token for a new pair, as long as the account is open.

    :raises InvalidRefreshTokenError:
    """
    user_id, signed_in_at = read_refresh_token(refresh, now=now)
    try:
        user = User.objects.active().get(pk=user_id)
    except (User.DoesNotExist, ValidationError) as error:
        raise InvalidRefreshTokenError from error
    return issue_tokens(user, signed_in_at=signed_in_at)


@transaction.atomic
def create_user(
    *,
    email: str,
    password: str | None,
    name: str = "",
    roles: Collection[str] = (Role.CUSTOMER,),
) -> User:
    user = User.objects.create_user(email, password, name=name)
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
    if before != sorted(roles):
        audit.record(
            user,
            "roles_assigned",
            before={"roles": before},
            after={"roles": sorted(roles)},
            actor_id=actor_id,
        )
