"""Text, documents and bytes that rest encrypted: AES-256-GCM, bound to its place, under keys that rotate."""

from core.encryption._errors import (
    EncryptedLookupError,
    EncryptionError,
    TamperedError,
    UnknownKeyError,
    UnsealableError,
)
from core.encryption._fields import (
    BlindIndexField,
    EncryptedBinaryField,
    EncryptedField,
    EncryptedJSONField,
    EncryptedTextField,
    Sealed,
    SealedBytes,
)
from core.encryption._files import (
    CHUNK_BYTES,
    SealingWriter,
    new_file_key,
    unsealed_chunks,
    unsealed_size,
)
from core.encryption._keys import KEY_BYTES, current_key, keys
from core.encryption._sealing import blind_index, blind_indexes, seal, unseal

__all__ = [
    "CHUNK_BYTES",
    "KEY_BYTES",
    "BlindIndexField",
    "EncryptedBinaryField",
    "EncryptedField",
    "EncryptedJSONField",
    "EncryptedLookupError",
    "EncryptedTextField",
    "EncryptionError",
    "Sealed",
    "SealedBytes",
    "SealingWriter",
    "TamperedError",
    "UnknownKeyError",
    "UnsealableError",
    "blind_index",
    "blind_indexes",
    "current_key",
    "keys",
    "new_file_key",
    "seal",
    "unseal",
    "unsealed_chunks",
    "unsealed_size",
]
