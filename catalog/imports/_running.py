"""The import itself: read, gather, plan, write, a batch at a time."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import DataError, IntegrityError, OperationalError, transaction
from psycopg import errors as postgres

from catalog import services
from catalog.imports._batches import Batch, in_batches
from catalog.imports._columns import Layout, UnknownLayoutError, read_layout
from catalog.imports._dictionaries import (
    category_path,
    resolve_categories,
    resolve_vendors,
)
from catalog.imports._dry_runs import Overlay
from catalog.imports._facts import facts_of
from catalog.imports._journals import Checkpoint, Journal
from catalog.imports._lines import Encoding, detect_encoding
from catalog.imports._opening import (
    Source,
    doubts_of,
    open_records,
    open_rows,
    read_header,
)
from catalog.imports._planning import Known, Plan, plan_batch
from catalog.imports._products import Assembler, ProductDraft, without_content
from catalog.imports._records import Record
from catalog.imports._repeats import Repeats
from catalog.imports._reports import Issue, Report, error, warning
from catalog.imports._rows import fit_handle, without_guard
from catalog.imports._state import load_products, product_ids_of, sku_owners
from catalog.imports._stock_writer import registered_stock_writer
from catalog.imports._writing import write_changes
from core.events import publish_all

ATTEMPTS = 5
MAX_REASON = 255
# A product that comes back later in the file keeps the strongest of its outcomes.
STRENGTH = {"refused": 0, "unchanged": 1, "updated": 2, "created": 3, "earlier": 4}
PASSING = (
    postgres.UniqueViolation,
    postgres.ForeignKeyViolation,
    postgres.DeadlockDetected,
    postgres.LockNotAvailable,
)
# Such as a key too long for its index: more than a length says beforehand.
UNSTORABLE = (postgres.DataError, postgres.ProgramLimitExceeded)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    currency: str
    # Blank means the default one.
    warehouse_code: str = ""
    is_dry_run: bool = False
    actor_id: UUID | None = None


def run_import(
    source: Source,
    options: ImportOptions,
    *,
    journal: Journal,
    clock: Callable[[], datetime],
    report: Report | None = None,
    since: Checkpoint | None = None,
) -> Report:
    """Bring the file's products into the catalogue; refuse what can't be read.

    A batch is one transaction, its stock another. What is in stays in: after a crash run
    it again, from the start or from the checkpoint and report that the journal kept.

    :raises UnusableFileError: if there is nothing to read.
    :raises DomainError: if no warehouse has the code that was given.
    """
    code = registered_stock_writer().choose_warehouse(options.warehouse_code)
    report = replace(
        report or Report(),
        currency=options.currency,
        warehouse_code=code,
        is_dry_run=options.is_dry_run,
    )
    run = _Run(
        source,
        options,
        journal=journal,
        clock=clock,
        report=report,
        since=since or Checkpoint(),
    )
    run.go()
    return run.report


class _Run:
    def __init__(
        self,
        source: Source,
        options: ImportOptions,
        *,
        journal: Journal,
        clock: Callable[[], datetime],
        report: Report,
        since: Checkpoint,
    ) -> None:
        self.report = report
        self._source = source
        self._options = options
        self._journal = journal
        self._clock = clock
        self._since = since
        self._bytes_read = 0
        self._overlay = Overlay()
        # Only of products that may come back: memory must not grow with the file.
        self._outcomes: dict[str, str] = {}

    def go(self) -> None:
        with closing(self._source.open()) as stream:
            encoding = detect_encoding(stream, on_bytes=self._keep_alive)
        layout = self._open_layout(encoding)
        if layout is None:
            return
        with closing(self._source.open()) as stream:
            rows = open_rows(stream, encoding, layout, on_bytes=self._keep_alive)
            self._survey(rows, layout)
        with closing(self._source.open()) as stream:
            rows = open_rows(stream, encoding, layout, on_bytes=self._advance)
            drafts = Assembler(layout, currency=self._options.currency).drafts(rows)
            is_counted = self._is_counted
            for batch in in_batches(
                self._not_yet_in(drafts),
                # What was counted before a crash is not counted again.
                belong_together=lambda a, b: is_counted(a) == is_counted(b),
            ):
                self._take(batch, layout)

    def _keep_alive(self, _count: int) -> None:
        self._journal.progressed(0)

    def _advance(self, count: int) -> None:
        self._bytes_read += count
        self._journal.progressed(self._bytes_read)

    def _open_layout(self, encoding: Encoding) -> Layout | None:
        with closing(self._source.open()) as stream:
            records = open_records(stream, encoding, on_bytes=self._keep_alive)
            header = read_header(records)
        self.report.encoding = encoding.name
        try:
            layout = read_layout(header.cells)
        except UnknownLayoutError as refusal:
            value, code = ",".join(header.cells), "unknown_layout"
            issue = error(header.line, refusal.column, value, code, str(refusal))
            self._note([issue])
            return None
        self.report.layout = layout.generation
        self.report.used_columns = layout.used
        self.report.ignored_columns = layout.ignored
        if not self._since.catalogue_line:
            self._note(list(doubts_of(encoding, layout, header.line)))
        return layout

    def _note(self, issues: list[Issue]) -> None:
        """Say what concerns the whole file, ahead of the first batch."""
        self.report = self.report.with_batch(Counter(), issues)
        with transaction.atomic():
            self._journal.batch_written(self.report, issues, 1)
        self._journal.settled(issues)

    def _survey(self, rows: Iterator[Record], layout: Layout) -> None:
        """Find which handles and SKUs the file may name more than once."""
        handles, skus = Repeats(), Repeats()
        above = ""
        for row in rows:
            handle = fit_handle(layout.cell(row.cells, "handle"))
            if handle and handle != above and not row.fault:
                handles.add(handle)
                above = handle
            if self._options.is_dry_run and layout.has("sku"):
                skus.add(without_guard(layout.cell(row.cells, "sku")))
        self._overlay = Overlay(handles.found, skus.found)

    def _is_counted(self, draft: ProductDraft) -> bool:
        return draft.line >= self._since.catalogue_line

    def _not_yet_in(self, drafts: Iterator[ProductDraft]) -> Iterator[ProductDraft]:
        for draft in drafts:
            if draft.line >= self._since.stock_line:
                yield draft
            else:
                self._remember({draft.handle: "earlier"})

    def _take(self, batch: Batch, layout: Layout) -> None:
        """Take a batch; if the database can't hold some product, all but that one."""
        try:
            self._take_whole(batch, layout)
        except (DataError, OperationalError) as failure:
            if not isinstance(failure.__cause__, UNSTORABLE):
                raise
            whole = [[draft] for draft in batch]
            if len(batch) == 1:
                whole = [[without_content(batch[0], str(failure.__cause__))]]
            for part in whole:
                self._take(part, layout)

    def _take_whole(self, batch: Batch, layout: Layout) -> None:
        line = batch[-1].line + 1
        now = self._clock()
        plan, report = self._write(batch, layout, line=line, now=now)
        if self._is_counted(batch[0]):
            self._remember(plan.outcomes)
            self.report = report
            self._journal.settled(plan.issues)
        else:
            self._remember(dict.fromkeys(plan.outcomes, "earlier"))
        self._write_stock(plan, layout.column("quantity"), line=line, now=now)

    def _write(
        self, batch: Batch, layout: Layout, *, line: int, now: datetime
    ) -> tuple[Plan, Report]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with transaction.atomic():
                    plan = self._plan_and_write(batch, layout, now)
                    report = self.report.with_batch(self._counts(plan), plan.issues)
                    if self._is_counted(batch[0]):
                        self._journal.batch_written(report, plan.issues, line)
                    return plan, report
            except (IntegrityError, OperationalError) as failure:
                # Somebody else wrote the same product, SKU or vendor at this moment.
                # Planned again, the batch sees what they wrote.
                if attempt == ATTEMPTS or not isinstance(failure.__cause__, PASSING):
                    raise
        raise AssertionError

    def _plan_and_write(self, batch: Batch, layout: Layout, now: datetime) -> Plan:
        is_dry_run = self._options.is_dry_run
        fields = [draft.fields for draft in batch]
        vendors = {f["vendor"] for f in fields if f.get("vendor")}
        paths = {category_path(f.get("category", "")) for f in fields} - {()}
        vendor_ids = resolve_vendors(vendors, now=now, is_dry_run=is_dry_run)
        category_ids = resolve_categories(paths, now=now, is_dry_run=is_dry_run)
        handles = {draft.handle for draft in batch} - {""}
        product_ids = product_ids_of(handles)
        if not is_dry_run:
            services.lock_products(product_ids)
        products = load_products(product_ids, currency=self._options.currency)
        owners = sku_owners(row.sku for draft in batch for row in draft.variants)
        if is_dry_run:
            products = self._overlay.products_over(products, handles)
            owners = self._overlay.owners_over(owners)
        known = Known(layout, owners, vendor_ids, category_ids, now)
        plan = plan_batch(
            [self._marked(draft, layout) for draft in batch], products, known
        )
        if is_dry_run:
            self._overlay.remember(plan.changes)
        else:
            changed = write_changes(
                plan.changes, currency=self._options.currency, now=now
            )
            services.refresh_cards(product_ids=changed)
            publish_all(list(facts_of(plan.changes, currency=self._options.currency)))
        return plan

    def _marked(self, draft: ProductDraft, layout: Layout) -> ProductDraft:
        """Say of a draft that its product stood further above already."""
        draft = draft.copy()
        if draft.handle in self._outcomes:
            message = "The product stands further above too; the rows are merged."
            column, code = layout.column("handle"), "product_comes_back"
            draft.issues.insert(
                0, warning(draft.line, column, draft.handle, code, message)
            )
        return draft

    def _counts(self, plan: Plan) -> Counter[str]:
        counts = plan.counts.copy()
        for handle, outcome in plan.outcomes.items():
            earlier = self._outcomes.get(handle)
            if earlier is None:
                counts[f"products_{outcome}"] += 1
            elif STRENGTH[outcome] > STRENGTH[earlier]:
                counts[f"products_{earlier}"] -= 1
                counts[f"products_{outcome}"] += 1
        return counts

    def _remember(self, outcomes: dict[str, str]) -> None:
        for handle, outcome in outcomes.items():
            if handle in self._overlay.handles:
                earlier = self._outcomes.get(handle, outcome)
                self._outcomes[handle] = max(outcome, earlier, key=STRENGTH.__getitem__)

    def _write_stock(
        self, plan: Plan, column: str, *, line: int, now: datetime
    ) -> None:
        with transaction.atomic():
            issues = self._count_stock(plan, column, now)
            counted = len(plan.quantities) if self.report.warehouse_code else 0
            counts = Counter({"stock_counted": counted})
            report = self.report.with_batch(counts, issues)
            # Together, so that no sale falls between a count and its repetition.
            self._journal.stock_written(report, issues, line)
        self.report = report
        self._journal.settled(issues)

    def _count_stock(self, plan: Plan, column: str, now: datetime) -> list[Issue]:
        if not plan.quantities:
            return []
        if not self.report.warehouse_code:
            return self._no_warehouse(plan, column)
        if self._options.is_dry_run:
            return []
        raised = registered_stock_writer().set_counted(
            warehouse_code=self.report.warehouse_code,
            quantities=plan.quantities,
            reason=f"Import of {self._source.name}"[:MAX_REASON],
            actor_id=self._options.actor_id,
            now=now,
        )
        return list(_stock_doubts(plan, column, raised))

    def _no_warehouse(self, plan: Plan, column: str) -> list[Issue]:
        if self.report.warnings["no_warehouse"]:
            return []
        line = min(plan.lines.values())
        message = "There is no warehouse; what the file counts is left out."
        return [warning(line, column, "", "no_warehouse", message)]


def _stock_doubts(
    plan: Plan, column: str, raised: Mapping[UUID, int]
) -> Iterator[Issue]:
    for variant_id, units in raised.items():
        yield warning(
            plan.lines[variant_id],
            column,
            str(plan.quantities[variant_id]),
            "stock_held",
            f"Buyers hold more than that; set to {units}.",
        )
