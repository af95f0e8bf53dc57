import csv
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.utils import timezone

from catalog import imports
from catalog.imports import ERROR, ImportOptions, Issue, Journal, Report, Source
from core.errors import DomainError
from core.money import known_currencies

FORMATS = ("shopify",)
REFUSED = 2
INTERRUPTED = 130
# So many issues are printed; the file given by --errors has all that were refused.
PRINTED_ISSUES = 20
BAR_WIDTH = 30
REDRAW_SECONDS = 0.2


class Command(BaseCommand):
    help = (
        "Import products from a CSV file that Shopify exported. May be killed and run "
        "again: what did not change is left alone. Exits with 0, 1 (the file can't be "
        "used) or 2 (something was refused)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--format", choices=FORMATS, default="shopify")
        parser.add_argument(
            "--currency",
            default=settings.SHOP_CURRENCY,
            help="of the prices in the file (default: %(default)s)",
        )
        parser.add_argument(
            "--warehouse",
            default="",
            metavar="CODE",
            help="where the stock was counted (default: the first by priority)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="report what would happen"
        )
        parser.add_argument(
            "--errors",
            type=Path,
            metavar="FILE",
            help="write every refused row into this CSV file",
        )

    def handle(self, *, file: Path, currency: str, **options: Any) -> None:
        currency = currency.upper()
        if currency not in known_currencies():
            raise CommandError(f"{currency} is no currency.")
        source, size = _source(file)
        chosen = ImportOptions(
            currency=currency,
            warehouse_code=options["warehouse"],
            is_dry_run=options["dry_run"],
        )
        started = time.monotonic()
        with ExitStack() as stack:
            journal = _Journal(
                stderr=self.stderr,
                bar=_Bar(self.stderr, size),
                errors=_open_errors(stack, options["errors"]),
                prints_all=options["verbosity"] > 1,
            )
            report = self._run(source, chosen, journal)
        self._print(report, seconds=time.monotonic() - started)
        if report.has_refusals:
            rows = report.counts["rows_refused"]
            what = f"{rows:,} rows were" if rows else "The file was"
            raise CommandError(f"{what} refused.", returncode=REFUSED)

    def _run(
        self, source: Source, options: ImportOptions, journal: "_Journal"
    ) -> Report:
        try:
            return imports.run_import(
                source, options, journal=journal, clock=timezone.now
            )
        except (DomainError, OSError) as error:
            detail = error.detail if isinstance(error, DomainError) else str(error)
            raise CommandError(detail) from error
        except KeyboardInterrupt:
            message = "Stopped. What is in stays in; run it again to go on."
            raise CommandError(message, returncode=INTERRUPTED) from None
        finally:
            journal.bar.clear()

    def _print(self, report: Report, *, seconds: float) -> None:
        write = self.stdout.write
        counts = report.counts
        title = "Dry run, nothing was written" if report.is_dry_run else "Imported"
        rate = counts["rows_read"] / seconds if seconds else 0
        write(f"{title}: {_summary(report)} in {seconds:.1f} s ({rate:,.0f}/s)")
        write(f"  {'rows':<10}{counts['rows_read']:>9,} read")
        write(f"  {'':<10}{counts['rows_refused']:>9,} refused")
        for kind in ("products", "variants", "images"):
            found = ", ".join(
                f"{counts[f'{kind}_{outcome}']:,} {outcome}"
                for outcome in ("created", "updated", "unchanged", "refused")
                if f"{kind}_{outcome}" in counts or outcome != "refused"
            )
            write(f"  {kind:<10}{found}")
        if report.warehouse_code and counts["stock_counted"]:
            place = f"counted in {report.warehouse_code}"
            write(f"  {'stock':<10}{counts['stock_counted']:,} variants {place}")
        else:
            write(f"  {'stock':<10}left as it is")
        if report.ignored_columns:
            write(f"  not kept: {', '.join(_grouped(report.ignored_columns))}")
        for kind, found_codes in (
            ("warnings", report.warnings),
            ("errors", report.errors),
        ):
            for code, count in sorted(found_codes.items()):
                write(f"  {kind:<10}{count:>9,} {code}")


def _summary(report: Report) -> str:
    parts = (report.layout, report.encoding, f"prices in {report.currency}")
    return ", ".join(part for part in parts if part)


def _grouped(columns: list[str]) -> list[str]:
    """Shorten families of columns, such as those for markets and for advertising."""
    families = [
        "metafields" if "metafields" in name else name.partition(" / ")[0]
        for name in columns
    ]
    return [
        f"{family} ({count} columns)"
        if (count := families.count(family)) > 1
        else family
        for family in dict.fromkeys(families)
    ]


def _source(file: Path) -> tuple[Source, int]:
    try:
        size = file.stat().st_size
        with file.open("rb"):
            pass
    except OSError as error:
        raise CommandError(f"{file} can't be read: {error.strerror}.") from error
    return Source(file.name, lambda: file.open("rb")), size


def _open_errors(stack: ExitStack, file: Path | None) -> Any:
    if file is None:
        return None
    try:
        opened = stack.enter_context(file.open("w", newline="", encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file} can't be written: {error.strerror}.") from error
    writer = csv.writer(opened)
    writer.writerow(["line", "column", "value", "code", "message"])
    return writer


class _Bar:
    """Shows on a terminal how far the import is; stays silent anywhere else."""

    def __init__(self, stream: OutputWrapper, size: int) -> None:
        self._stream = stream
        self._size = size
        self._is_shown = bool(stream.isatty())
        self._started = self._drawn = time.monotonic()

    def show(self, bytes_read: int) -> None:
        now = time.monotonic()
        if not self._is_shown or now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        share = min(bytes_read / self._size, 1) if self._size else 1
        done = round(share * BAR_WIDTH)
        left = (now - self._started) * (1 - share) / share if share else 0
        eta = f"{int(left) // 60}:{int(left) % 60:02} left" if share else "reading"
        bar = "#" * done + "-" * (BAR_WIDTH - done)
        self._stream.write(f"\r\033[K[{bar}] {share:4.0%}  {eta}", ending="")
        self._stream.flush()

    def clear(self) -> None:
        if self._is_shown:
            self._stream.write("\r\033[K", ending="")
            self._stream.flush()


class _Journal(Journal):
    def __init__(
        self, *, stderr: OutputWrapper, bar: _Bar, errors: Any, prints_all: bool
    ) -> None:
        self.bar = bar
        self._stderr = stderr
        self._errors = errors
        self._left = None if prints_all else PRINTED_ISSUES

    def progressed(self, bytes_read: int) -> None:
        self.bar.show(bytes_read)

    def settled(self, issues: list[Issue]) -> None:
        for issue in issues:
            if self._errors is not None and issue.severity == ERROR:
                self._errors.writerow(
                    [issue.line, issue.column, issue.value, issue.code, issue.message]
                )
            self._print(issue)

    def _print(self, issue: Issue) -> None:
        if self._left == 0:
            return
        self.bar.clear()
        place = f"line {issue.line}"
        place += f", {issue.column}" if issue.column else ""
        place += f" {issue.value!r}" if issue.value else ""
        self._stderr.write(f"{issue.severity}: {place}: {issue.message}")
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self._stderr.write("More are counted below (-v 2 prints all).")
