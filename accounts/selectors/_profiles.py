from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.constants import MARKETING
from accounts.exceptions import AddressNotFoundError
from accounts.models import (
    Address,
    AddressQuerySet,
    ConsentEntry,
    ConsentQuerySet,
    User,
)


@dataclass(frozen=True, slots=True)
class ChosenPreferences:
    locale: str
    timezone: str
    # Empty: the shop's.
    currency: str
    marketing: bool
    marketing_changed_at: datetime | None
    version: int


def get_profile(user_id: UUID) -> User:
    """Return the person as the database has it now, roles along."""
    return User.objects.prefetch_related("groups").get(pk=user_id)


def get_preferences(user_id: UUID) -> ChosenPreferences:
    user = User.objects.select_related("preferences").get(pk=user_id)
    chosen = getattr(user, "preferences", None)
    consents = ConsentEntry.objects.of(user_id).filter(purpose=MARKETING)
    last = consents.order_by("-at", "-id").values_list("at", flat=True).first()
    return ChosenPreferences(
        locale=user.locale,
        timezone=user.timezone,
        currency=chosen.currency if chosen else "",
        marketing=chosen.marketing if chosen else False,
        marketing_changed_at=last,
        version=chosen.version if chosen else 0,
    )


def consents_of(user_id: UUID) -> ConsentQuerySet:
    return ConsentEntry.objects.of(user_id)


def addresses_of(user_id: UUID) -> AddressQuerySet:
    return Address.objects.of(user_id)


def get_address(*, user_id: UUID, address_id: UUID) -> Address:
    """Return one of the person's own.

    :raises AddressNotFoundError: also for somebody else's.
    """
    address = Address.objects.of(user_id).filter(pk=address_id).first()
    if address is None:
        raise AddressNotFoundError
    return address
