"""CSV records with the line that each starts on, and a way back out of a stray quote."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from catalog.imports._lines import Line

MAX_CELL = 1_048_576
MAX_RECORD_LINES = 10_000


class _RecordTooLongError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Record:
    line: int
    last_line: int
    cells: list[str]
    # Why the cells could not be told apart, in words; empty when they could.
    fault: str = ""

    @property
    def is_blank(self) -> bool:
        return not self.fault and not any(cell.strip() for cell in self.cells)


class _Feed:
    """Hands lines to the csv module and can be given some of them back."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        if len(self.taken) > MAX_RECORD_LINES:
            raise _RecordTooLongError
        return line.text

    def give_back_all_but_first(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


class Records:
    def __init__(self, lines: Iterable[Line], *, delimiter: str = ",") -> None:
        # The limit is the whole process's; it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))
        self._feed = _Feed(lines)
        # Strict, because a stray quote ends in the middle of another row's cell: that
        # alone tells it from a text of several lines.
        self._dialect: dict[str, Any] = {
            "delimiter": delimiter,
            "skipinitialspace": True,
        }
        self._cells = csv.reader(self._feed, strict=True, **self._dialect)

    def __iter__(self) -> Iterator[Record]:
        while True:
            self._feed.taken = []
            cells: list[str] = []
            fault = ""
            try:
                cells = next(self._cells)
            except StopIteration:
                return
            except _RecordTooLongError:
                fault = "A quote is opened and never closed."
            except csv.Error as error:
                line = self._feed.taken[0].text
                cells = self._read_loosely(line)
                if cells and line.count('"') % 2 == 0:
                    # Quotes that pair but stand oddly, such as "Oak" table.
                    self._feed.give_back_all_but_first()
                else:
                    fault = f"The quotes don't pair: {error}."
            taken = self._feed.taken
            if any(line.is_cut for line in taken):
                fault = "The line is too long."
            yield Record(taken[0].number, taken[-1].number, cells, fault)

    def _read_loosely(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], **self._dialect), [])
        except csv.Error:
            return []

    def retry_after_first_line(self) -> None:
        """Read the last record's lines again, from its second one."""
        self._feed.give_back_all_but_first()


def rows_of(
    records: Records, *, width: int, is_plausible: Callable[[list[str]], bool]
) -> Iterator[Record]:
    """Yield the records that are not blank, those of another width with a fault.

    A stray quote makes one record swallow those below it. So after a record of the wrong
    width its lines are read again, and what ``is_plausible`` among them is taken.
    """
    swallowed_until = 0
    for record in records:
        if record.is_blank:
            continue
        fault = record.fault or _fault_of_width(record.cells, width)
        is_inside = record.line <= swallowed_until
        if not fault and (not is_inside or is_plausible(record.cells)):
            yield record
            continue
        if fault and not is_inside:
            yield Record(record.line, record.last_line, record.cells, fault)
        if record.last_line > record.line:
            swallowed_until = max(swallowed_until, record.last_line)
            records.retry_after_first_line()


def _fault_of_width(cells: list[str], width: int) -> str:
    beyond = cells[width:]
    if len(cells) < width or any(cell.strip() for cell in beyond):
        return f"The row has {len(cells)} cells, the header {width}."
    return ""
