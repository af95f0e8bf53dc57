"""Files that rest encrypted, chunk by chunk: none needs to fit into memory.

Each file has a key of its own, which is kept in an EncryptedTextField beside the file's
name. So a file isn't touched when the shop's keys rotate, and is lost with its row.
"""

import io
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import IO, Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.encryption._errors import TamperedError
from core.encryption._keys import KEY_BYTES

CHUNK_BYTES = 64 * 1024
_TAG_BYTES = 16
_NONCE_BYTES = 12
_SEALED_BYTES = CHUNK_BYTES + _TAG_BYTES


def new_file_key() -> str:
    """Make the key for one file; the same for two would give both away."""
    return b64encode(os.urandom(KEY_BYTES)).decode()


def unsealed_size(sealed_size: int) -> int:
    """Return how many bytes a sealed file of that size holds."""
    return sealed_size - _TAG_BYTES * -(-sealed_size // _SEALED_BYTES)


class SealingWriter(io.RawIOBase):
    """Encrypts what is written to it, and writes that on; ``close`` ends the file.

    ``context`` says what the file is and whose; only the same opens it.
    """

    def __init__(self, target: IO[bytes], *, key: str, context: str) -> None:
        self._target = target
        self._chunks = _Chunks(key, context)
        self._pending = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._pending += content
        # The last chunk is told from the others, so one always waits for more.
        while len(self._pending) > CHUNK_BYTES:
            self._put(CHUNK_BYTES, is_last=False)
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._put(len(self._pending), is_last=True)
        super().close()

    def _put(self, size: int, *, is_last: bool) -> None:
        chunk = bytes(self._pending[:size])
        del self._pending[:size]
        self._target.write(self._chunks.seal(chunk, is_last=is_last))


def unsealed_chunks(source: IO[bytes], *, key: str, context: str) -> Iterator[bytes]:
    """Yield the content of a sealed file.

    :raises TamperedError: at the first chunk that was changed, moved or cut off, or if
        the file is another's. What was yielded before is as it was sealed.
    """
    chunks = _Chunks(key, context)
    sealed = source.read(_SEALED_BYTES)
    is_last = False
    while not is_last:
        following = source.read(_SEALED_BYTES)
        is_last = not following
        yield chunks.unseal(sealed, is_last=is_last)
        sealed = following


class _Chunks:
    """Counts the chunks of one file, so that none can be left out or change places."""

    def __init__(self, key: str, context: str) -> None:
        self._cipher = AESGCM(b64decode(key))
        self._context = context
        self._number = 0

    def seal(self, chunk: bytes, *, is_last: bool) -> bytes:
        return self._cipher.encrypt(*self._next(chunk, is_last))

    def unseal(self, sealed: bytes, *, is_last: bool) -> bytes:
        number = self._number
        try:
            return self._cipher.decrypt(*self._next(sealed, is_last))
        except (InvalidTag, ValueError) as error:
            message = f"Chunk {number} was changed, or not sealed for {self._context}."
            raise TamperedError(message) from error

    def _next(self, chunk: bytes, is_last: bool) -> tuple[bytes, bytes, bytes]:  # noqa: FBT001 -- private
        # Counting is enough for a nonce, as the key is for this file alone.
        nonce = self._number.to_bytes(_NONCE_BYTES)
        self._number += 1
        return nonce, chunk, orjson.dumps([self._context, is_last])
