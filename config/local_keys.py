"""The encryption keys of a developer's machine: made once, kept under var/."""

import fcntl
import os
import secrets
from base64 import b64encode
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

NAME = "encryption.keys"
_KEY_BYTES = 32
_ID_BYTES = 4


def kept_keys(var: Path) -> str:
    """Return what FIELD_ENCRYPTION_KEYS would hold; make it when there is none yet.

    Each has an id of its own, so that a lost file is noticed by the id that is missing.

    :raises ImproperlyConfigured: the file can't be read or made.
    """
    path = var / NAME
    try:
        if not path.exists():
            _make(path)
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no ASCII text"
        message = f"the encryption keys can't be kept in {path}: {reason}."
        raise ImproperlyConfigured(message) from error


def _make(path: Path) -> None:
    """Put the file there whole and for its owner only; of several at once, one makes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        draft = path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            key_id = f"local-{secrets.token_hex(_ID_BYTES)}"
            key = b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
            file.write(f"{key_id}:{key}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
