"""Rows that belong together, gathered into one draft for each product."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from catalog.constants import MAX_IMAGES, MAX_VARIANTS
from catalog.imports._columns import Layout
from catalog.imports._records import Record
from catalog.imports._reports import Issue, error, warning
from catalog.imports._rows import (
    ImageRow,
    Row,
    RowReader,
    VariantRow,
    fit_handle,
    is_plausible_handle,
)


@dataclass(slots=True)
class ProductDraft:
    """What adjacent rows say about one product.

    Without a handle it stands for rows that nobody can tell the product of: it only
    carries their issues.
    """

    handle: str
    line: int
    # Empty until a row names one: then the row speaks for the product's own fields too.
    title: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    option_names: tuple[str, ...] = ()
    variants: list[VariantRow] = field(default_factory=list)
    images: list[ImageRow] = field(default_factory=list)
    accepted_lines: list[int] = field(default_factory=list)
    rows_read: int = 0
    rows_refused: int = 0
    issues: list[Issue] = field(default_factory=list)
    # Characters held in memory.
    size: int = 0

    @property
    def has_head(self) -> bool:
        return bool(self.title)

    def copy(self) -> "ProductDraft":
        """Return a draft whose rows can be refused without changing this one."""
        return replace(
            self, accepted_lines=list(self.accepted_lines), issues=list(self.issues)
        )

    def refuse(self, issue: Issue) -> None:
        self.rows_refused += 1
        self.issues.append(issue)

    def take_back(self, line: int, issue: Issue) -> None:
        """Refuse a row that had been accepted."""
        self.accepted_lines.remove(line)
        self.refuse(issue)


def without_content(draft: ProductDraft, reason: str) -> ProductDraft:
    """Return the draft with all its rows refused, because nothing can hold them."""
    empty = replace(
        draft.copy(), title="", fields={}, option_names=(), variants=[], images=[]
    )
    message = f"The database can't hold the product: {reason.splitlines()[0]}"
    for line in draft.accepted_lines:
        empty.take_back(line, error(line, "", draft.handle, "not_storable", message))
    return empty


class Assembler:
    """Turns records into drafts, in the order of the file.

    A blank handle continues the product above. Where the row above was refused and
    nobody knows whose it was, what continues it is refused too.
    """

    def __init__(self, layout: Layout, *, currency: str) -> None:
        self._layout = layout
        self._reader = RowReader(layout, currency=currency)
        self._draft: ProductDraft | None = None

    def drafts(self, records: Iterable[Record]) -> Iterator[ProductDraft]:
        for record in records:
            before = self._draft
            draft = self._place(record)
            if before is not None and draft is not before:
                yield before
            self._draft = draft
        if self._draft is not None:
            yield self._draft

    def _place(self, record: Record) -> ProductDraft:
        if record.fault:
            draft = self._draft_of_faulty(record)
            draft.rows_read += 1
            column, value = self._first_misfit(record)
            draft.refuse(
                error(record.line, column, value, "wrong_cell_count", record.fault)
            )
            return draft
        row = self._reader.read(record)
        draft = self._draft_of(row)
        draft.rows_read += 1
        _add(draft, row, self._layout)
        return draft

    def _draft_of_faulty(self, record: Record) -> ProductDraft:
        place = self._layout.places["handle"]
        if place < len(record.cells):
            handle = record.cells[place].strip()
            if not handle and self._draft is not None:
                return self._draft
            if is_plausible_handle(handle):
                return self._same_or_new(fit_handle(handle), record.line)
        return ProductDraft("", record.line)

    def _draft_of(self, row: Row) -> ProductDraft:
        if row.handle:
            return self._same_or_new(row.handle, row.line)
        if self._draft is None or (row.title and row.title != self._draft.title):
            return ProductDraft("", row.line)
        return self._draft

    def _same_or_new(self, handle: str, line: int) -> ProductDraft:
        if self._draft is not None and self._draft.handle == handle:
            return self._draft
        return ProductDraft(handle, line)

    def _first_misfit(self, record: Record) -> tuple[str, str]:
        """Name the first cell that doesn't fit, else where the row ends or goes on."""
        column, value = self._reader.first_misfit(record)
        count, width = len(record.cells), self._layout.width
        if column or not record.cells:
            return column, value
        if count < width:
            return self._layout.names[count], ""
        return "", next((cell for cell in record.cells[width:] if cell.strip()), "")


def _add(draft: ProductDraft, row: Row, layout: Layout) -> None:
    if not draft.handle:
        column = layout.column("handle")
        message = "The row has no handle, and no product above that it continues."
        draft.refuse(error(row.line, column, "", "no_product_above", message))
        return
    if row.title and row.is_head_sound:
        _take_head(draft, row, layout)
    if row.is_refused:
        draft.rows_refused += 1
        draft.issues += row.issues
        return
    if len(draft.variants) >= MAX_VARIANTS or len(draft.images) >= MAX_IMAGES:
        message = f"More than {MAX_VARIANTS} variants or {MAX_IMAGES} images."
        draft.refuse(error(row.line, "", row.handle, "too_many_rows", message))
        return
    draft.issues += row.issues
    draft.accepted_lines.append(row.line)
    draft.size += row.size
    if row.variant is not None:
        draft.variants.append(row.variant)
    if row.image is not None and row.image.url not in {i.url for i in draft.images}:
        draft.images.append(row.image)


def _take_head(draft: ProductDraft, row: Row, layout: Layout) -> None:
    if not draft.has_head:
        draft.title, draft.fields = row.title, row.product_fields
    elif row.title != draft.title:
        column = layout.column("title")
        message = f"Another title for {draft.handle!r}; {draft.title!r} is kept."
        draft.issues.append(
            warning(row.line, column, row.title, "title_differs", message)
        )
    if any(row.option_names) and not draft.option_names:
        draft.option_names = row.option_names
