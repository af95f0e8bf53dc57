"""A file's header and its rows, whatever its encoding and separator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO

from catalog.imports._columns import Layout, delimiter_of
from catalog.imports._lines import Encoding, read_lines
from catalog.imports._records import Record, Records, rows_of
from catalog.imports._reports import Issue, warning
from catalog.imports._rows import is_plausible_handle
from catalog.imports.exceptions import UnusableFileError


@dataclass(frozen=True, slots=True)
class Source:
    """A file that can be opened more than once."""

    name: str
    open: Callable[[], IO[bytes]]


def read_header(records: Records) -> Record:
    """Return the first row that is not blank.

    :raises UnusableFileError: if there is none.
    """
    for record in records:
        if not record.is_blank:
            return record
    raise UnusableFileError("The file is empty.")


def open_records(
    stream: IO[bytes], encoding: Encoding, *, on_bytes: Callable[[int], None]
) -> Records:
    lines = read_lines(stream, encoding, on_bytes=on_bytes)
    head = []
    for line in lines:
        head.append(line)
        if line.text.strip():
            break
    delimiter = delimiter_of(head[-1].text) if head else ","
    return Records(chain(head, lines), delimiter=delimiter)


def open_rows(
    stream: IO[bytes],
    encoding: Encoding,
    layout: Layout,
    *,
    on_bytes: Callable[[int], None],
) -> Iterator[Record]:
    """Return the rows below the header."""

    def is_plausible(cells: list[str]) -> bool:
        return is_plausible_handle(layout.cell(cells, "handle"))

    records = open_records(stream, encoding, on_bytes=on_bytes)
    read_header(records)
    return rows_of(records, width=layout.width, is_plausible=is_plausible)


def doubts_of(encoding: Encoding, layout: Layout, line: int) -> Iterator[Issue]:
    """Yield what is to be said of the file as a whole."""
    if encoding.first_bad_line is not None:
        message = "The file is not UTF-8 from here on; all of it was read as cp1252."
        yield warning(encoding.first_bad_line, "", "", "not_utf8", message)
    for name in layout.unknown:
        yield warning(line, name, "", "unknown_column", "The column is not read.")
