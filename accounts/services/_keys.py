from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.auth import KeyToken, key_memory, new_key_token, principal_of_prefix
from accounts.constants import API_KEY_LIFETIME, is_grantable
from accounts.exceptions import (
    ApiKeyNotFoundError,
    ApiKeyRevokedError,
    GrantsTooMuchError,
    UnknownPermissionError,
)
from accounts.models import ApiKey, User
from accounts.selectors import unknown_permissions
from core import audit
from core.errors import FieldError
from core.protection.services import limit_caller


@dataclass(frozen=True, slots=True)
class IssuedKey:
    key: ApiKey
    # Shown once; the shop keeps only its hash.
    secret: str


@transaction.atomic
def create_api_key(
    *,
    name: str,
    scopes: Collection[str],
    actor: User,
    now: datetime,
    expires_at: datetime | None = None,
    requests_per_minute: int | None = None,
    token: KeyToken | None = None,
) -> IssuedKey:
    """Make a key out for a machine. Without a quota of its own it has that of all keys.

    :raises UnknownPermissionError: for a scope that isn't one, or is for people only.
    :raises GrantsTooMuchError: for one that ``actor`` doesn't have.
    """
    _require_scopes(scopes)
    _require_own(scopes, actor)
    token = token or new_key_token(settings.API_KEY_MODE)
    key = ApiKey.objects.create(
        name=name,
        mode=token.mode,
        prefix=token.prefix,
        secret_hash=token.digest,
        scopes=sorted(set(scopes)),
        expires_at=expires_at or now + API_KEY_LIFETIME,
        created_by=actor,
        created_at=now,
    )
    audit.record(key, "api_key_created", after=_described(key), actor_id=actor.pk)
    if requests_per_minute is not None:
        _limit(key, requests_per_minute, actor)
    return IssuedKey(key, token.text)


@transaction.atomic
def change_api_key(*, key_id: UUID, changes: Mapping[str, Any], actor: User) -> ApiKey:
    """Change ``name``, ``scopes``, ``expires_at`` or ``requests_per_minute``.

    Holds everywhere within seconds.

    :raises ApiKeyNotFoundError:
    :raises ApiKeyRevokedError:
    :raises UnknownPermissionError: for a scope that isn't one, or is for people only.
    :raises GrantsTooMuchError: for what the key would get beyond what ``actor`` has;
        a longer life counts as giving all of its scopes anew.
    """
    key = _locked(key_id)
    before = _described(key)
    scopes = changes.get("scopes", key.scopes)
    if "scopes" in changes:
        _require_scopes(scopes)
    is_prolonged = changes.get("expires_at", key.expires_at) > key.expires_at
    _require_own(scopes if is_prolonged else set(scopes) - set(key.scopes), actor)

    key.name = changes.get("name", key.name)
    key.scopes = sorted(set(scopes))
    key.expires_at = changes.get("expires_at", key.expires_at)
    key.save(update_fields=["name", "scopes", "expires_at", "updated_at"])
    after = _described(key)
    changed = [name for name in after if after[name] != before[name]]
    if changed:
        audit.record(
            key,
            "api_key_changed",
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
            actor_id=actor.pk,
        )
    if "requests_per_minute" in changes:
        _limit(key, changes["requests_per_minute"], actor)
    transaction.on_commit(key_memory.clear)
    return key


@transaction.atomic
def rotate_api_key(
    *, key_id: UUID, overlap: timedelta, actor: User, now: datetime
) -> IssuedKey:
    """Give the key a new secret. The old one holds for ``overlap`` and then no more.

    Only the last two secrets ever hold: a second rotation ends the first one's overlap.

    :raises ApiKeyNotFoundError:
    :raises ApiKeyRevokedError:
    :raises GrantsTooMuchError: when the key may do what ``actor`` may not: the secret
        would be in the wrong hands.
    """
    key = _locked(key_id)
    _require_own(key.scopes, actor)
    token = new_key_token(key.mode, prefix=key.prefix)
    key.previous_hash = key.secret_hash
    key.previous_valid_until = now + overlap
    key.secret_hash = token.digest
    key.save(
        update_fields=[
            *("secret_hash", "previous_hash", "previous_valid_until", "updated_at")
        ]
    )
    audit.record(
        key,
        "api_key_rotated",
        after={"previous_valid_until": key.previous_valid_until.isoformat()},
        actor_id=actor.pk,
    )
    transaction.on_commit(key_memory.clear)
    return IssuedKey(key, token.text)


@transaction.atomic
def revoke_api_key(*, key_id: UUID, actor_id: UUID | None, now: datetime) -> ApiKey:
    """End the key, for good: here at once, in every process within 5 seconds.

    :raises ApiKeyNotFoundError:
    :raises ApiKeyRevokedError: when it is already.
    """
    key = _locked(key_id)
    key.revoked_at = now
    key.save(update_fields=["revoked_at", "updated_at"])
    audit.record(
        key, "api_key_revoked", after={"prefix": key.prefix}, actor_id=actor_id
    )
    transaction.on_commit(key_memory.clear)
    return key


def _locked(key_id: UUID) -> ApiKey:
    key = ApiKey.objects.select_for_update().filter(pk=key_id).first()
    if key is None:
        raise ApiKeyNotFoundError
    if key.revoked_at is not None:
        raise ApiKeyRevokedError
    return key


def _require_scopes(scopes: Collection[str]) -> None:
    unknown = unknown_permissions(scopes)
    unknown += [scope for scope in scopes if not is_grantable(scope)]
    if unknown:
        raise UnknownPermissionError(
            "An API key can't have these scopes.",
            errors=_at(scopes, unknown, "unknown_permission", "No scope of a key."),
        )


def _require_own(scopes: Collection[str], actor: User) -> None:
    missing = [scope for scope in scopes if not actor.has_perm(scope)]
    if missing:
        raise GrantsTooMuchError(
            "The key would have permissions that you don't have.",
            errors=_at(scopes, missing, "grants_too_much", "You don't have it."),
        )


def _at(
    scopes: Collection[str], wrong: Collection[str], code: str, detail: str
) -> list[FieldError]:
    return [
        FieldError(f"#/scopes/{index}", code, detail, {"permission": scope})
        for index, scope in enumerate(scopes)
        if scope in wrong
    ]


def _limit(key: ApiKey, per_minute: int | None, actor: User) -> None:
    caller = principal_of_prefix(key.prefix)
    limit_caller(caller, per_minute=per_minute, actor_id=actor.pk)


def _described(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "expires_at": key.expires_at.isoformat(),
    }
