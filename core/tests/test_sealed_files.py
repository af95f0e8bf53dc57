"""Files that rest encrypted, and what becomes of them in the wrong hands."""

import io
import tracemalloc
import zipfile

import pytest

from core.encryption import (
    CHUNK_BYTES,
    SealingWriter,
    TamperedError,
    new_file_key,
    unsealed_chunks,
    unsealed_size,
)

KEY = new_file_key()
SEALED = CHUNK_BYTES + 16
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_001]


def sealed(content, *, key=KEY, context="mine", step=None):
    target = io.BytesIO()
    with SealingWriter(target, key=key, context=context) as writer:
        for start in range(0, len(content), step or len(content) or 1):
            writer.write(content[start : start + (step or len(content))])
    return target.getvalue()


def opened(raw, *, key=KEY, context="mine"):
    return b"".join(unsealed_chunks(io.BytesIO(raw), key=key, context=context))


def content_of(size):
    return bytes(number * 31 % 251 for number in range(size))


@pytest.mark.parametrize("step", [None, 1000, CHUNK_BYTES])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_read_again(size, step):
    raw = sealed(content_of(size), step=step)

    assert opened(raw) == content_of(size)
    assert unsealed_size(len(raw)) == size
    assert size < 100 or content_of(size)[:100] not in raw


def test_equal_files_look_different_under_their_keys():
    first, second = (sealed(b"same" * 9, key=new_file_key()) for _ in range(2))

    assert first != second


def test_a_zip_is_written_through_it():
    target = io.BytesIO()
    with (
        SealingWriter(target, key=KEY, context="mine") as writer,
        zipfile.ZipFile(writer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.json", "w") as part,
    ):
        part.write(content_of(500_000))

    with zipfile.ZipFile(io.BytesIO(opened(target.getvalue()))) as archive:
        assert archive.testzip() is None
        assert archive.read("a.json") == content_of(500_000)


CHANGES = {
    "a bit of the first chunk": lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
    "a bit of the last chunk": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
    "cut within a chunk": lambda raw: raw[:-1],
    "cut after a chunk": lambda raw: raw[: 2 * SEALED],
    "the last chunk again": lambda raw: raw + raw[2 * SEALED :],
    "one chunk left out": lambda raw: raw[:SEALED] + raw[2 * SEALED :],
    "two chunks swapped": lambda raw: (
        raw[SEALED : 2 * SEALED] + raw[:SEALED] + raw[2 * SEALED :]
    ),
    "something behind it": lambda raw: raw + b"\0",
    "nothing at all": lambda _: b"",
    "in clear": lambda _: content_of(100),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_file_is_noticed(change):
    raw = sealed(content_of(2 * CHUNK_BYTES + 100))

    with pytest.raises(TamperedError):
        opened(change(raw))


@pytest.mark.parametrize("other", [{"key": new_file_key()}, {"context": "yours"}])
def test_a_file_opens_as_its_own_alone(other):
    with pytest.raises(TamperedError, match="Chunk 0 was changed"):
        opened(sealed(b"mine"), **other)


def test_a_large_file_needs_little_memory(tmp_path):
    size = 200 * CHUNK_BYTES
    path = tmp_path / "large"
    tracemalloc.start()
    try:
        with (
            path.open("wb") as target,
            SealingWriter(target, key=KEY, context="mine") as writer,
        ):
            for _ in range(size // 1000):
                writer.write(bytes(1000))
        with path.open("rb") as source:
            for _ in unsealed_chunks(source, key=KEY, context="mine"):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10 * CHUNK_BYTES
