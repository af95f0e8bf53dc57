"""Files of other shops, brought into the catalogue. What is public here is named below."""

from catalog.imports._jobs import resume_imports, run_job, submit_import
from catalog.imports._journals import Checkpoint, Journal
from catalog.imports._opening import Source
from catalog.imports._reports import ERROR, WARNING, Issue, Report
from catalog.imports._running import ImportOptions, run_import
from catalog.imports._stock_writer import (
    StockWriter,
    register_stock_writer,
    registered_stock_writer,
)
from catalog.imports.exceptions import UnusableFileError

__all__ = [
    "ERROR",
    "WARNING",
    "Checkpoint",
    "ImportOptions",
    "Issue",
    "Journal",
    "Report",
    "Source",
    "StockWriter",
    "UnusableFileError",
    "register_stock_writer",
    "registered_stock_writer",
    "resume_imports",
    "run_import",
    "run_job",
    "submit_import",
]
