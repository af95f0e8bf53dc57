"""Notice at the start that a key is missing, not when the first address can't be read.

The database keeps, for each key that it was written with, a text sealed by it.
"""

import logging

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError, connection

from core.encryption import TamperedError, current_key, keys, seal, unseal
from core.models import EncryptionKey

_WORD = "This key is the right one."
_logger = logging.getLogger(__name__)


class LostKeyError(ImproperlyConfigured):
    """Something in this database was encrypted with a key that the settings don't have."""


def require_keys() -> None:
    """Prove the settings' keys against the database, and note a new first one.

    A database that is away or not migrated proves nothing and stops nobody.

    :raises LostKeyError: saying in one sentence which key to bring back.
    """
    try:
        if lost := lost_keys():
            raise LostKeyError(lost[0])
        key_id = current_key().id
        proof = seal(_WORD, context=_context(key_id))
        EncryptionKey.objects.bulk_create(
            [EncryptionKey(id=key_id, proof=proof)], ignore_conflicts=True
        )
        # Another node may have been quicker, with a key of its own under this id.
        if lost := lost_keys():
            raise LostKeyError(lost[0])
    except (OperationalError, ProgrammingError) as error:
        _logger.warning("The encryption keys could not be proved: %s", error)
    finally:
        # Whoever starts may fork next.
        if not connection.in_atomic_block:
            connection.close()


def lost_keys() -> list[str]:
    """Return a sentence for each key of the database that the settings don't hold."""
    known = keys()
    lost = []
    for row in EncryptionKey.objects.order_by("created_at"):
        if row.pk not in known:
            lost.append(
                f"FIELD_ENCRYPTION_KEYS lacks the key {row.pk!r}, with which data in this database is encrypted: bring it back, or nobody can read that data again."
            )
        elif not _proves(row):
            lost.append(
                f"FIELD_ENCRYPTION_KEYS has another key under the id {row.pk!r} than the one this database was encrypted with: bring that one back, and give the new one an id of its own."
            )
    return lost


def forget_keys_but(kept: set[str]) -> list[str]:
    """Drop the proofs of the others, which no row needs any more; return their ids."""
    gone = EncryptionKey.objects.exclude(pk__in=kept)
    names = sorted(gone.values_list("pk", flat=True))
    gone.delete()
    return names


def _proves(row: EncryptionKey) -> bool:
    try:
        return unseal(row.proof, context=_context(row.pk)) == _WORD
    except TamperedError:
        return False


def _context(key_id: str) -> str:
    return f"key-proof:{key_id}"
