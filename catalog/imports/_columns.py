"""Which column of a Shopify export says what, in all the generations of its headers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Names are compared without regard to case and to the number of blanks.
FIELDS = {
    "handle": ("Handle", "URL handle"),
    "title": ("Title",),
    "description_html": ("Body (HTML)", "Body HTML", "Body", "Description"),
    "vendor": ("Vendor",),
    "category": ("Product Category", "Standard Product Type"),
    "product_type": ("Type", "Custom Product Type"),
    "tags": ("Tags",),
    "is_published": ("Published", "Published on online store"),
    "status": ("Status",),
    "option1_name": ("Option1 Name",),
    "option1_value": ("Option1 Value",),
    "option2_name": ("Option2 Name",),
    "option2_value": ("Option2 Value",),
    "option3_name": ("Option3 Name",),
    "option3_value": ("Option3 Value",),
    "sku": ("Variant SKU", "SKU"),
    "barcode": ("Variant Barcode", "Barcode"),
    "grams": ("Variant Grams", "Weight value (grams)"),
    "weight": ("Variant Weight",),
    "weight_unit": ("Variant Weight Unit", "Weight unit for display"),
    "quantity": ("Variant Inventory Qty", "Inventory quantity"),
    "price": ("Variant Price", "Price"),
    "compare_at": ("Variant Compare At Price", "Compare-at price"),
    "image_url": ("Image Src", "Product image URL"),
    "image_position": ("Image Position",),
    "image_alt": ("Image Alt Text",),
    "variant_image_url": ("Variant Image", "Variant image URL"),
    "seo_title": ("SEO Title",),
    "seo_description": ("SEO Description",),
    # Not kept. Their cells show whether a row has slipped sideways.
    "requires_shipping": ("Variant Requires Shipping", "Requires shipping"),
    "is_taxable": ("Variant Taxable", "Charge tax"),
    "is_gift_card": ("Gift Card",),
    "cost": ("Cost per item",),
    "oversell": ("Variant Inventory Policy", "Continue selling when out of stock"),
}
CHECKED_ONLY = {"requires_shipping", "is_taxable", "is_gift_card", "cost", "oversell"}
# Known, and of no use here: markets, metafields, advertising, tax and unit prices.
IGNORED = re.compile(
    r"(included|price|compare[- ]at price) / .+"
    r"|google( shopping)?( /|:).+"
    r"|.*\(product\.metafields\..+\)|metafield:.+"
    r"|option[123] linked to"
    r"|unit price .+"
    r"|(variant )?(inventory tracker|fulfillment service|tax code|id)"
    r"|tax code|command|collection|template suffix|published (at|scope)",
    re.DOTALL,
)
DELIMITERS = (",", ";", "\t")


class UnknownLayoutError(Exception):
    """The first row names no columns that an import could read."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each field stands. ``names`` are the columns as the file spells them."""

    generation: str
    names: list[str]
    places: dict[str, int]
    ignored: list[str]
    unknown: list[str]

    @property
    def width(self) -> int:
        return len(self.names)

    @property
    def used(self) -> list[str]:
        return [
            self.names[place]
            for field, place in self.places.items()
            if field not in CHECKED_ONLY
        ]

    def has(self, field: str) -> bool:
        return field in self.places

    def cell(self, cells: list[str], field: str) -> str:
        """Return the cell without the blanks around it; empty where there is none."""
        place = self.places.get(field)
        return "" if place is None or place >= len(cells) else cells[place].strip()

    def column(self, field: str) -> str:
        place = self.places.get(field)
        return FIELDS[field][0] if place is None else self.names[place]


def delimiter_of(header: str) -> str:
    """Return the separator that splits the header into columns with a handle."""
    for delimiter in DELIMITERS:
        names = {folded(name.strip('"')) for name in header.split(delimiter)}
        if names & {"handle", "url handle"}:
            return delimiter
    return DELIMITERS[0]


def read_layout(cells: list[str]) -> Layout:
    """Understand a header row.

    :raises UnknownLayoutError: unless it names a handle, a title, and a price or option.
    """
    names = list(_without_blank_tail(cells))
    places: dict[str, int] = {}
    ignored: list[str] = []
    unknown: list[str] = []
    for place, name in enumerate(names):
        field = _FIELD_OF.get(folded(name))
        if field is None:
            (ignored if IGNORED.fullmatch(folded(name)) else unknown).append(name)
        elif field in places:
            message = f"Two columns say the same: {names[places[field]]} and {name}."
            raise UnknownLayoutError(name, message)
        else:
            places[field] = place
    _require(places)
    ignored += [names[places[field]] for field in CHECKED_ONLY & places.keys()]
    return Layout(_generation(names), names, places, ignored, unknown)


def folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _require(places: dict[str, int]) -> None:
    missing = [field for field in ("handle", "title") if field not in places]
    if not {"price", "option1_value"} & places.keys():
        missing.append("price")
    if missing:
        columns = ", ".join(" or ".join(FIELDS[field]) for field in missing)
        raise UnknownLayoutError(
            columns, f"This is no product export of Shopify: no column {columns}."
        )


def _generation(names: list[str]) -> str:
    known = {folded(name) for name in names}
    if "url handle" in known:
        return "shopify 2024"
    if known & {"status", "product category"}:
        return "shopify 2021"
    return "shopify 2017"


def _without_blank_tail(cells: list[str]) -> Iterator[str]:
    last = max((i for i, cell in enumerate(cells) if cell.strip()), default=-1)
    for cell in cells[: last + 1]:
        yield cell.strip()


_FIELD_OF = {folded(name): field for field, names in FIELDS.items() for name in names}
