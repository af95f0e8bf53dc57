from dataclasses import dataclass
from uuid import UUID

from accounts.models import User


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


def role_names(user: User) -> list[str]:
    """Name the user's roles; a prefetch of ``groups`` saves the query."""
    return sorted(group.name for group in user.groups.all())
