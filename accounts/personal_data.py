"""What accounts holds on people."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounts import services
from accounts.models import (
    AccountRequest,
    AccountToken,
    ActivityEntry,
    Address,
    Ceremony,
    ConsentEntry,
    Export,
    Identity,
    Passkey,
    Preferences,
    RecoveryCode,
    RefreshToken,
    Session,
    TotpDevice,
    User,
)
from core.personal_data import Person, Rows, delete, hold, keep, tells_nothing
from core.retention import delete_some, kept_until, remove_by


def _of(model: Any) -> Rows:
    def rows(person: Person) -> QuerySet[Any]:
        found: QuerySet[Any] = model.objects.filter(user_id=person.user_id)
        return found

    return rows


def _erase_activity(rows: QuerySet[ActivityEntry], _: datetime) -> None:
    # By the service, whom the table's trigger lets delete.
    for user_id in {*rows.values_list("user_id", flat=True)}:
        services.erase_activity(user_id=user_id)


def _erase_consents(rows: QuerySet[ConsentEntry], _: datetime) -> None:
    for user_id in {*rows.values_list("user_id", flat=True)}:
        services.erase_consents(user_id=user_id)


# First, so that it goes last: everything else refers to it.
hold(
    "profile",
    User,
    rows=lambda person: User.objects.filter(pk=person.user_id),
    erase=services.anonymize_users,
    withheld=("password",),
)
hold("addresses", Address, rows=_of(Address), erase=delete)
hold("preferences", Preferences, rows=_of(Preferences), erase=delete)
hold("consents", ConsentEntry, rows=_of(ConsentEntry), erase=_erase_consents)
hold("sessions", Session, rows=_of(Session), erase=delete)
hold(
    "refresh_tokens",
    RefreshToken,
    rows=lambda person: RefreshToken.objects.filter(session__user_id=person.user_id),
    erase=keep("They go with their sessions."),
    withheld=("token_hash", "sealed_successor"),
)
hold("activity", ActivityEntry, rows=_of(ActivityEntry), erase=_erase_activity)
hold(
    "authenticator_apps",
    TotpDevice,
    rows=_of(TotpDevice),
    erase=delete,
    withheld=("seed", "last_step"),
)
hold(
    "recovery_codes",
    RecoveryCode,
    rows=_of(RecoveryCode),
    erase=delete,
    withheld=("code_hash",),
)
hold(
    "passkeys",
    Passkey,
    rows=_of(Passkey),
    erase=delete,
    withheld=("public_key",),
)
hold(
    "mailed_links",
    AccountToken,
    rows=_of(AccountToken),
    erase=delete,
    withheld=("token_hash",),
)
hold("identities", Identity, rows=_of(Identity), erase=delete)
hold(
    "sign_in_steps",
    Ceremony,
    rows=_of(Ceremony),
    erase=delete,
    withheld=("answer_hash", "binding", "payload"),
)
hold(
    "exports",
    Export,
    rows=_of(Export),
    erase=services.erase_exports,
    withheld=("file", "file_key", "lease_token", "lease_until"),
)
remove_by(
    "sessions",
    lambda now, limit: delete_some(
        Session.objects.over(before=kept_until("sessions", now=now)), limit
    ),
)
remove_by(
    "sign_in_steps",
    lambda now, limit: delete_some(
        Ceremony.objects.over(now=kept_until("sign_in_steps", now=now)), limit
    ),
)
remove_by(
    "activity",
    lambda now, limit: services.remove_outdated_activity(now=now, limit=limit),
)
remove_by(
    "export_files",
    lambda now, limit: services.remove_expired_exports(now=now, limit=limit),
)
remove_by(
    "exports",
    lambda now, limit: delete_some(
        Export.objects.over(before=kept_until("exports", now=now)), limit
    ),
)
remove_by(
    "mailed_links",
    lambda now, limit: delete_some(
        AccountToken.objects.over(before=kept_until("mailed_links", now=now)), limit
    ),
)
remove_by(
    "account_requests",
    lambda now, limit: delete_some(
        AccountRequest.objects.filter(
            created_at__lt=kept_until("account_requests", now=now)
        ),
        limit,
    ),
)
tells_nothing(
    "accounts.AccountRequest",
    because="It waits for a worker, encrypted, and goes within seconds.",
)
tells_nothing("accounts.SigningKey", because="The shop's own; it is about nobody.")
tells_nothing(
    "accounts.ApiKey", because="A machine's; it names who made it out by id only."
)
