"""A row of the file as what it says about a product, a variant and an image."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.db.models import Model

from catalog.constants import MAX_DESCRIPTION, MAX_TAGS
from catalog.imports import _cells
from catalog.imports._cells import CellError
from catalog.imports._columns import Layout
from catalog.imports._records import Record
from catalog.imports._reports import Issue, error, warning
from catalog.models import Image, Product, Variant, Vendor

MAX_CATEGORY_PATH = 2000
MAX_OPTION_NAME = 100
MAX_OPTION_VALUE = 255
MAX_TAG = 255
OPTIONS = (1, 2, 3)
# What a handle must not hold to stand in an address.
_UNFIT_FOR_HANDLE = re.compile(r"[\s/?#%\\<>\"'`{}|^\[\]\x00-\x1f\x7f]+")
# Faults in these say nothing about the rest of the row.
_HARMLESS_ALONE = {
    "price",
    "compare_at",
    "quantity",
    "grams",
    "weight",
    "image_url",
    "image_position",
    "variant_image_url",
    "cost",
    "sku",
    "barcode",
}


@dataclass(slots=True)
class VariantRow:
    line: int
    # As the cells say, blank ones included; the product's option names cut them.
    option_values: tuple[str, ...]
    sku: str | None
    barcode: str | None
    grams: int | None
    amount: int | None
    compare_at: int | None
    quantity: int | None
    image_url: str


@dataclass(slots=True)
class ImageRow:
    line: int
    url: str
    alt: str
    position: int | None


@dataclass(slots=True)
class Row:
    line: int
    handle: str
    title: str
    option_names: tuple[str, ...]
    # Only what the file has columns for, so that other fields stay as they are.
    product_fields: dict[str, Any]
    variant: VariantRow | None
    image: ImageRow | None
    issues: list[Issue] = field(default_factory=list)
    is_refused: bool = False
    # False where a refused row can't be believed about its product either.
    is_head_sound: bool = True
    size: int = 0


def fit_handle(text: str) -> str:
    return _UNFIT_FOR_HANDLE.sub("-", text).strip("-")


def without_guard(text: str) -> str:
    """Drop the apostrophe by which spreadsheets keep a code from becoming a number."""
    return text.removeprefix("'").strip()


def is_plausible_handle(text: str) -> bool:
    return len(text) <= _longest(Product, "slug") and text == fit_handle(text)


class RowReader:
    """Reads rows of one layout, prices in one currency."""

    def __init__(self, layout: Layout, *, currency: str) -> None:
        self._layout = layout
        self._currency = currency

    def read(self, record: Record) -> Row:
        return _Reading(self._layout, self._currency, record).row()

    def first_misfit(self, record: Record) -> tuple[str, str]:
        """Name the first cell that is no value of its column, and what it holds."""
        return _Reading(self._layout, self._currency, record).first_misfit()


class _Reading:
    """The reading of one row: gathers faults, so that all of them decide together."""

    def __init__(self, layout: Layout, currency: str, record: Record) -> None:
        self._layout = layout
        self._currency = currency
        self._record = record
        self._faults: list[tuple[str, str, CellError]] = []
        self._doubts: list[Issue] = []

    def row(self) -> Row:
        title = self._text("title", Product)
        status = self._status()
        row = Row(
            line=self._record.line,
            handle=self._handle(),
            title=title,
            option_names=tuple(
                self._cut(
                    f"option{i}_name", self._cell(f"option{i}_name"), MAX_OPTION_NAME
                )
                for i in OPTIONS
            ),
            # Only a row with a title speaks for the product's own fields.
            product_fields=self._product_fields(status) if title else {},
            variant=self._variant(),
            image=self._image(),
            size=sum(map(len, self._record.cells)),
        )
        self._check_the_rest()
        self._judge(row)
        return row

    def first_misfit(self) -> tuple[str, str]:
        self.row()
        places = self._layout.places
        misfits = [
            (places.get(name, 0), name, value) for name, value, _ in self._faults
        ]
        if not misfits:
            return "", ""
        _, name, value = min(misfits)
        return self._layout.column(name), value

    def _judge(self, row: Row) -> None:
        """Refuse the row for its faults: one is a bad cell, more are cells that slipped."""
        if not self._faults:
            row.issues = self._doubts
            return
        field_name, value, fault = self._faults[0]
        code, message = fault.code, str(fault)
        if len(self._faults) > 1:
            code = "shifted_cells"
            columns = [self._layout.column(name) for name, _, _ in self._faults]
            message = f"Cells don't fit their columns: {', '.join(columns)}."
        column = self._layout.column(field_name)
        row.issues = [error(row.line, column, value, code, message)]
        row.is_refused = True
        row.is_head_sound = len(self._faults) == 1 and field_name in _HARMLESS_ALONE

    def _cell(self, field_name: str) -> str:
        text = self._layout.cell(self._record.cells, field_name)
        if "\x00" in text:
            fault = CellError("unreadable_text", "The cell holds a NUL character.")
            self._faults.append((field_name, text, fault))
            return ""
        return text

    def _read(self, field_name: str, reader: Callable[[str], Any]) -> Any:
        """Return None for a blank cell, and for one that can't be read."""
        text = self._cell(field_name)
        if not text:
            return None
        try:
            return reader(text)
        except CellError as fault:
            self._faults.append((field_name, text, fault))
            return None

    def _doubt(self, field_name: str, value: str, code: str, message: str) -> None:
        column = self._layout.column(field_name)
        self._doubts.append(warning(self._record.line, column, value, code, message))

    def _cut(self, field_name: str, text: str, longest: int) -> str:
        if len(text) > longest:
            self._doubt(field_name, text, "text_cut", f"Cut to {longest} characters.")
        return text[:longest]

    def _text(self, field_name: str, model: type[Model], attribute: str = "") -> str:
        longest = _longest(model, attribute or field_name)
        return self._cut(field_name, self._cell(field_name), longest)

    def _bounded(self, field_name: str, longest: int) -> str:
        """Return text that means nothing when cut, such as a SKU."""
        text = self._cell(field_name)
        if len(text) > longest:
            message = f"Longer than {longest} characters."
            self._faults.append((field_name, text, CellError("too_long", message)))
        return text

    def _handle(self) -> str:
        text = self._bounded("handle", _longest(Product, "slug"))
        handle = fit_handle(text)
        if text and not handle:
            fault = CellError("unreadable_handle", f"{text!r} is no handle.")
            self._faults.append(("handle", text, fault))
        elif handle != text:
            self._doubt("handle", text, "handle_changed", f"Taken as {handle!r}.")
        return handle

    def _product_fields(self, status: str) -> dict[str, Any]:
        readers: dict[str, Callable[[], Any]] = {
            "description_html": lambda: self._bounded(
                "description_html", MAX_DESCRIPTION
            ),
            "vendor": lambda: self._text("vendor", Vendor, "name"),
            "category": lambda: self._cut(
                "category", self._cell("category"), MAX_CATEGORY_PATH
            ),
            "product_type": lambda: self._text("product_type", Product),
            "tags": self._tags,
            "seo_title": lambda: self._text("seo_title", Product),
            "seo_description": lambda: self._cell("seo_description"),
        }
        found = {
            name: read() for name, read in readers.items() if self._layout.has(name)
        }
        return found | ({"status": status} if status else {})

    def _tags(self) -> list[str]:
        tags = (tag.strip() for tag in self._cell("tags").split(","))
        unique = list(
            dict.fromkeys(self._cut("tags", tag, MAX_TAG) for tag in tags if tag)
        )
        if len(unique) > MAX_TAGS:
            self._doubt("tags", "", "tags_cut", f"Only the first {MAX_TAGS} are kept.")
        return unique[:MAX_TAGS]

    def _status(self) -> str:
        """Return the status, or nothing if no column says any."""
        status = self._read("status", _cells.read_status) or ""
        is_published = self._read("is_published", _cells.read_flag)
        has_column = self._layout.has("is_published")
        if status == Product.Status.ACTIVE and is_published is False:
            self._doubt(
                "is_published",
                "",
                "not_published",
                "Active but not published in the online shop: taken as a draft.",
            )
            return Product.Status.DRAFT
        if status or not has_column:
            return str(status)
        # Shopify publishes where the cell is blank.
        is_hidden = is_published is False
        return str(Product.Status.DRAFT if is_hidden else Product.Status.ACTIVE)

    def _variant(self) -> VariantRow | None:
        values = tuple(
            self._bounded(f"option{i}_value", MAX_OPTION_VALUE) for i in OPTIONS
        )
        amount = self._read("price", self._price)
        compare_at = self._read("compare_at", self._price)
        grams = self._grams()
        quantity = self._read("quantity", _cells.read_quantity)
        image_url = self._read("variant_image_url", self._address)
        is_variant = bool(self._cell("price") or values[0])
        if not is_variant:
            return None
        if amount is None:
            self._doubt("price", "", "price_missing", "The variant has no price.")
        if quantity is not None and quantity < 0:
            self._doubt(
                "quantity", str(quantity), "negative_stock", "Stock below 0 set to 0."
            )
            quantity = 0
        return VariantRow(
            line=self._record.line,
            option_values=values,
            sku=self._code("sku"),
            barcode=self._code("barcode"),
            grams=grams,
            amount=amount,
            # Nothing was ever reduced from nothing.
            compare_at=compare_at or None,
            quantity=quantity,
            image_url=image_url or "",
        )

    def _code(self, field_name: str) -> str | None:
        if not self._layout.has(field_name):
            return None
        text = self._bounded(field_name, _longest(Variant, field_name))
        return without_guard(text)

    def _grams(self) -> int | None:
        if self._cell("grams") or not self._cell("weight"):
            grams: int | None = self._read("grams", _cells.read_grams)
            return grams
        unit = self._cell("weight_unit")
        weight: int | None = self._read(
            "weight", lambda text: _cells.read_grams(text, unit)
        )
        return weight

    def _image(self) -> ImageRow | None:
        url = self._read("image_url", self._address)
        position = self._read("image_position", _cells.read_position)
        if not url:
            return None
        alt = self._text("image_alt", Image, "alt")
        return ImageRow(self._record.line, url, alt, position)

    def _price(self, text: str) -> int:
        return _cells.read_price(text, self._currency)

    def _address(self, text: str) -> str:
        return _cells.read_address(text, longest=_longest(Image, "url"))

    def _check_the_rest(self) -> None:
        for name in ("requires_shipping", "is_taxable", "is_gift_card"):
            self._read(name, _cells.read_flag)
        self._read("oversell", _cells.read_oversell)
        self._read("cost", _cells.read_number)


@cache
def _longest(model: type[Model], attribute: str) -> int:
    longest = getattr(model._meta.get_field(attribute), "max_length", None)  # noqa: SLF001 -- Django's documented way to a field
    assert isinstance(longest, int)
    return longest
