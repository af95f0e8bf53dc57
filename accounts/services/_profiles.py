from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from accounts.auth import Device, forget_user
from accounts.constants import MARKETING, ActivityKind
from accounts.models import ConsentEntry, Preferences, User
from accounts.services._activity import record_activity
from core.conditional import update_versioned

# What the account holds of the preferences.
OF_ACCOUNT = ("locale", "timezone")


@transaction.atomic
def change_profile(
    *, user_id: UUID, changes: Mapping[str, Any], device: Device | None, now: datetime
) -> User:
    """Change ``name``, ``locale`` or ``timezone`` of an account."""
    user = User.objects.select_for_update(no_key=True).get(pk=user_id)
    changed = [name for name in changes if changes[name] != getattr(user, name)]
    if not changed:
        return user
    _write_account(user_id, {name: changes[name] for name in changed}, now)
    if set(changed) & set(OF_ACCOUNT):
        # They are preferences as well: who has read those has seen an older state.
        Preferences.objects.get_or_create(user_id=user_id)
        Preferences.objects.filter(pk=user_id).update(
            version=F("version") + 1, updated_at=now
        )
    record_activity(
        user_id=user_id,
        kind=ActivityKind.PROFILE_CHANGED,
        device=device,
        now=now,
        details={"changed": sorted(changed)},
    )
    user.refresh_from_db()
    return user


@transaction.atomic
def change_preferences(
    *,
    user_id: UUID,
    version: int,
    changes: Mapping[str, Any],
    device: Device | None,
    now: datetime,
) -> None:
    """Change preferences as they were at ``version``.

    A change of the consent to marketing adds a line to its history.

    :raises StaleVersionError:
    """
    Preferences.objects.get_or_create(user_id=user_id)
    rows = Preferences.objects.filter(pk=user_id)
    before = rows.select_for_update().get()
    own = {name: changes[name] for name in changes if name not in OF_ACCOUNT}
    update_versioned(rows, version=version, **own)
    account = {name: changes[name] for name in changes if name in OF_ACCOUNT}
    if account:
        _write_account(user_id, account, now)
    if changes.get(MARKETING, before.marketing) != before.marketing:
        ConsentEntry.objects.create(
            user_id=user_id,
            purpose=MARKETING,
            is_given=changes[MARKETING],
            at=now,
            address="" if device is None else device.address,
        )
    record_activity(
        user_id=user_id,
        kind=ActivityKind.PREFERENCES_CHANGED,
        device=device,
        now=now,
        details={"changed": sorted(changes)},
    )


@transaction.atomic
def erase_consents(*, user_id: UUID) -> int:
    """Delete the history of one person's consent, as the law on erasure asks."""
    with connection.cursor() as cursor:
        # The trigger lets nobody delete who doesn't say this; it ends with us.
        cursor.execute("SELECT set_config('shopwright.erases_consents', 'on', true)")
        count, _ = ConsentEntry.objects.of(user_id).delete()
        cursor.execute("SELECT set_config('shopwright.erases_consents', '', true)")
    return count


def _write_account(user_id: UUID, values: Mapping[str, Any], now: datetime) -> None:
    User.objects.filter(pk=user_id).update(**values, updated_at=now)
    transaction.on_commit(partial(forget_user, user_id))
