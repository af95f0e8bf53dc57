from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accounts.auth import Device
from accounts.constants import MAX_ADDRESSES, ActivityKind
from accounts.exceptions import AddressNotFoundError, TooManyAddressesError
from accounts.models import Address, User
from accounts.services._activity import record_activity
from core.conditional import StaleVersionError, make_etag, update_versioned
from core.encryption import EncryptedTextField

DEFAULTS = ("is_default_shipping", "is_default_billing")


@transaction.atomic
def add_address(
    *, user_id: UUID, fields: Mapping[str, Any], device: Device | None, now: datetime
) -> Address:
    """Keep an address. The first one is the default for everything.

    :raises TooManyAddressesError: from the 51st on, whoever adds at the same moment.
    """
    lock_addresses(user_id)
    count = Address.objects.of(user_id).count()
    if count >= MAX_ADDRESSES:
        raise TooManyAddressesError(limit=MAX_ADDRESSES)
    given = dict(fields)
    if not count:
        given |= dict.fromkeys(DEFAULTS, True)
    address = Address(user_id=user_id, created_at=now, **given)
    _take_defaults(address.pk, user_id, given, now)
    address.save(force_insert=True)
    _record(ActivityKind.ADDRESS_ADDED, address, device, now)
    return address


@transaction.atomic
def change_address(
    *,
    user_id: UUID,
    address_id: UUID,
    version: int,
    changes: Mapping[str, Any],
    device: Device | None,
    now: datetime,
) -> Address:
    """Change an address as it was at ``version``.

    To become a default takes that from the other one, which gets a new version.

    :raises AddressNotFoundError: also for somebody else's.
    :raises StaleVersionError:
    """
    lock_addresses(user_id)
    rows = Address.objects.of(user_id).filter(pk=address_id)
    address = rows.first()
    if address is None:
        raise AddressNotFoundError
    _take_defaults(address_id, user_id, changes, now)
    update_versioned(rows, version=version, **_columns(address, changes))
    _record(ActivityKind.ADDRESS_CHANGED, address, device, now)
    return rows.get()


@transaction.atomic
def remove_address(
    *,
    user_id: UUID,
    address_id: UUID,
    version: int,
    device: Device | None,
    now: datetime,
) -> None:
    """Forget an address as it was at ``version``; orders keep their own copy.

    :raises AddressNotFoundError: also for somebody else's.
    :raises StaleVersionError:
    """
    lock_addresses(user_id)
    rows = Address.objects.of(user_id).filter(pk=address_id)
    address = rows.first()
    if address is None:
        raise AddressNotFoundError
    deleted, _ = rows.filter(version=version).delete()
    if not deleted:
        raise StaleVersionError(make_etag(address.version))
    _record(ActivityKind.ADDRESS_REMOVED, address, device, now)


def lock_addresses(user_id: UUID) -> None:
    """Let one change of a person's addresses go on at a time.

    Both rules, how many there may be and which is the default, are about all of them.
    """
    User.objects.select_for_update(no_key=True).filter(pk=user_id).first()


def _take_defaults(
    address_id: UUID, user_id: UUID, changes: Mapping[str, Any], now: datetime
) -> None:
    others = Address.objects.of(user_id).exclude(pk=address_id)
    for name in DEFAULTS:
        if changes.get(name):
            others.filter(**{name: True}).update(
                **{name: False}, version=F("version") + 1, updated_at=now
            )


def _columns(address: Address, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``update()`` may write: what rests encrypted is sealed for its row."""
    columns = {}
    for name, value in changes.items():
        field = Address._meta.get_field(name)  # noqa: SLF001 -- Django's public API
        if isinstance(field, EncryptedTextField):
            columns[name] = cast("Any", field.sealed_for(address, value))
        else:
            columns[name] = value
    return columns


def _record(
    kind: ActivityKind, address: Address, device: Device | None, now: datetime
) -> None:
    record_activity(
        user_id=address.user_id,
        kind=kind,
        device=device,
        now=now,
        details={"address_id": str(address.pk)},
    )
