from dataclasses import dataclass
from uuid import UUID

from accounts.models import User
from core.personal_data import Person


@dataclass(frozen=True, slots=True)
class Contact:
    """Where and how a person is written to."""

    email: str
    name: str
    locale: str


def get_contact(user_id: UUID) -> Contact | None:
    """Return the present address, also of somebody who may not sign in any more."""
    rows = User.objects.filter(pk=user_id).values_list("email", "name", "locale")
    row = rows.first()
    return Contact(*row) if row else None


def person_of_user(user_id: UUID) -> Person:
    """Return whom personal data is looked up by; an address counts once it is verified."""
    user = User.objects.only("email", "email_verified_at").get(pk=user_id)
    return Person(user_id, user.email if user.email_verified else "")


def role_names(user: User) -> list[str]:
    """Name the user's roles; a prefetch of ``groups`` saves the query.

    So does signing in, which brings them along.
    """
    if user.known_roles is not None:
        return sorted(user.known_roles)
    return sorted(group.name for group in user.groups.all())
