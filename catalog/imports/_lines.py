"""Physical lines of a file of any size, in whatever encoding it turns out to be."""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

CHUNK_BYTES = 65_536
MAX_LINE_BYTES = 2_097_152


@dataclass(frozen=True, slots=True)
class Encoding:
    name: str
    newline: bytes = b"\n"
    # Where the file stopped being UTF-8.
    first_bad_line: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    text: str
    is_cut: bool = False


def detect_encoding(stream: IO[bytes], *, on_bytes: Callable[[int], None]) -> Encoding:
    """Read the stream to its end: UTF-8 if all of it is, otherwise cp1252."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    newline, line = b"\r", 1
    while chunk := stream.read(CHUNK_BYTES):
        newlines = chunk.count(b"\n")
        if newlines:
            newline = b"\n"
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            before = bytes(error.object[: error.start])
            return Encoding(
                "cp1252", _newline_of(stream, newline), line + before.count(b"\n")
            )
        line += newlines
        on_bytes(len(chunk))
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return Encoding("cp1252", newline, line)
    return Encoding("utf-8", newline)


def _newline_of(stream: IO[bytes], newline: bytes) -> bytes:
    while newline != b"\n" and (chunk := stream.read(CHUNK_BYTES)):
        if b"\n" in chunk:
            return b"\n"
    return newline


def read_lines(
    stream: IO[bytes], encoding: Encoding, *, on_bytes: Callable[[int], None]
) -> Iterator[Line]:
    """Yield the lines with their ends; one that is too long is cut and says so."""
    for number, raw in enumerate(_split(stream, encoding.newline, on_bytes), start=1):
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901 -- the mark is no text
        # Detected before; a file that changed since must not stop the import halfway.
        text = raw[:MAX_LINE_BYTES].decode(encoding.name, errors="replace")
        yield Line(number, text, is_cut=len(raw) > MAX_LINE_BYTES)


def _split(
    stream: IO[bytes], newline: bytes, on_bytes: Callable[[int], None]
) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        on_bytes(len(chunk))
        *whole, rest = (rest + chunk).split(newline)
        for piece in whole:
            yield piece + newline
        # One byte more than allowed is kept: it tells that the line was cut.
        rest = rest[: MAX_LINE_BYTES + 1]
    if rest:
        yield rest
