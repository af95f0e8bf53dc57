"""Small files to import, and an import that tells a test what it heard."""

import csv
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path

from catalog.imports import ERROR, ImportOptions, Journal, Source, run_import
from catalog.models import Image, Price, Product, ProductCard, ProductOption, Variant

FIXTURES = Path(__file__).parent / "imported"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)
# What most tests need of the 44 columns and more.
COLUMNS = (
    "Handle",
    "Title",
    "Vendor",
    "Tags",
    "Published",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Variant SKU",
    "Variant Price",
    "Image Src",
)


class Listener(Journal):
    def __init__(self):
        self.issues = []
        self.batches = 0

    def settled(self, issues):
        self.issues += issues

    def batch_written(self, report, issues, line):
        self.batches += 1

    @property
    def errors(self):
        return [
            (issue.line, issue.column, issue.value, issue.code)
            for issue in self.issues
            if issue.severity == ERROR
        ]

    @property
    def warnings(self):
        return [
            (issue.line, issue.column, issue.value, issue.code)
            for issue in self.issues
            if issue.severity != ERROR
        ]


def mug(handle="mug", title="Mug", price="9.50", **cells):
    """Return the cells of a product that is its own only variant."""
    return {
        "Handle": handle,
        "Title": title,
        "Option1 Name": "Title",
        "Option1 Value": "Default Title",
        "Variant Price": price,
        **cells,
    }


def shirt(color, price="20.00", handle="shirt", **cells):
    """Return a row of a shirt in a colour; give it a title to make it the first."""
    head = {"Option1 Name": "Color"} if "Title" in cells else {}
    return {
        "Handle": handle,
        "Option1 Value": color,
        "Variant Price": price,
        **head,
        **cells,
    }


def as_csv(*rows, columns=COLUMNS):
    """Write rows as text; columns that only some rows have are added to the header."""
    names = [
        *columns,
        *dict.fromkeys(n for row in rows for n in row if n not in columns),
    ]
    text = StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def run(content, *, now=NOW, listener=None, name="products.csv", **options):
    """Import text, bytes or a fixture's path; returns the report and what was said."""
    if isinstance(content, Path):
        content = content.read_bytes()
    if isinstance(content, str):
        content = content.encode()
    listener = listener or Listener()
    report = run_import(
        Source(name, lambda: BytesIO(content)),
        ImportOptions(**{"currency": "EUR", **options}),
        journal=listener,
        clock=lambda: now,
    )
    return report, listener


def snapshot():
    """Return every row that an import could change, stamps and versions included."""
    models = (Product, ProductOption, Image, Variant, Price, ProductCard)
    return {
        model.__name__: list(model.objects.order_by("pk").values()) for model in models
    }
