"""Imports that workers do: a row with a lease, so that a crash only costs time."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import IO, TYPE_CHECKING, cast
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest

from catalog.imports._journals import Checkpoint, Journal
from catalog.imports._opening import Source
from catalog.imports._reports import Issue, Report
from catalog.imports._running import ImportOptions, run_import
from catalog.imports._stock_writer import registered_stock_writer
from catalog.models import ImportIssue, ImportJob
from core import audit, broker
from core.errors import DomainError

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

Status = ImportJob.Status
LEASE = timedelta(seconds=60)
RENEWAL_SECONDS = 10
# A worker takes other work in between: the rest of a long file is another task.
SLICE_SECONDS = 45
# A file that ends its worker every time is not tried for ever.
MAX_ATTEMPTS = 5
RUN_TASK = "catalog.tasks.run_import"
NUDGE_EXPIRES = 30


class _LeaseLostError(Exception):
    """Another worker has taken the job; what this one was writing is undone."""


class _TimeUpError(Exception):
    """The slice is over; what is in stays in."""


@transaction.atomic
def submit_import(
    *,
    file: "UploadedFile[bytes]",
    options: ImportOptions,
    now: datetime,
) -> ImportJob:
    """Store the file and the job, which a worker takes up.

    :raises DomainError: if no warehouse has the code that was given.
    """
    registered_stock_writer().choose_warehouse(options.warehouse_code)
    job = ImportJob.objects.create(
        file=file,
        file_name=(file.name or "")[-255:],
        currency=options.currency,
        warehouse_code=options.warehouse_code,
        is_dry_run=options.is_dry_run,
        actor_id=options.actor_id,
        bytes_total=file.size or 0,
        report=Report().as_json(),
        created_at=now,
    )
    audit.record(
        job,
        "importjob_submitted",
        after={"file": job.file_name},
        actor_id=options.actor_id,
    )
    transaction.on_commit(partial(_nudge, job.pk))
    return job


def resume_imports(*, now: datetime) -> int:
    """Nudge workers to every job that none is at, and say how many there are."""
    waiting = ImportJob.objects.filter(_is_open(now)).order_by("created_at", "pk")
    ids = list(waiting.values_list("pk", flat=True))
    for job_id in ids:
        _nudge(job_id)
    return len(ids)


def run_job(
    *,
    job_id: UUID,
    clock: Callable[[], datetime],
    seconds: float = SLICE_SECONDS,
) -> None:
    """Work on the job for some time, unless another worker does or it has ended."""
    token = uuid4()
    job = _claim(job_id, token, now=clock())
    if job is None:
        return
    if job.attempts > MAX_ATTEMPTS:
        detail = f"The import broke off {MAX_ATTEMPTS} times at the same place."
        _end(job, Status.FAILED, now=clock(), code="import_broken", detail=detail)
        return
    journal = JobJournal(job, clock=clock, deadline=time.monotonic() + seconds)
    try:
        report = run_import(
            Source(job.file_name, partial(_open, job)),
            ImportOptions(
                currency=job.currency,
                warehouse_code=job.warehouse_code,
                is_dry_run=job.is_dry_run,
                actor_id=job.actor_id,
            ),
            journal=journal,
            clock=clock,
            report=Report.from_json(job.report),
            since=Checkpoint(job.catalogue_line, job.stock_line),
        )
    except _LeaseLostError:
        return
    except _TimeUpError:
        _held(job).update(lease_token=None, lease_until=None)
        _nudge(job.pk)
    except DomainError as failure:
        code, detail = failure.code, failure.detail
        _end(job, Status.FAILED, now=clock(), code=code, detail=detail)
    else:
        _end(job, Status.COMPLETED, now=clock(), report=report)


def _nudge(job_id: UUID) -> None:
    broker.enqueue(RUN_TASK, expires=NUDGE_EXPIRES, job_id=str(job_id))


def _open(job: ImportJob) -> IO[bytes]:
    return cast("IO[bytes]", job.file.storage.open(str(job.file.name), "rb"))


def _is_open(now: datetime) -> Q:
    is_free = Q(lease_until=None) | Q(lease_until__lte=now)
    return Q(status__in=[Status.QUEUED, Status.RUNNING]) & is_free


def _claim(job_id: UUID, token: UUID, *, now: datetime) -> ImportJob | None:
    claimed = ImportJob.objects.filter(_is_open(now), pk=job_id).update(
        status=Status.RUNNING,
        lease_token=token,
        lease_until=now + LEASE,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", now),
    )
    return ImportJob.objects.get(pk=job_id) if claimed else None


def _held(job: ImportJob) -> QuerySet[ImportJob]:
    """Return the job's row, unless another worker has taken it meanwhile."""
    return ImportJob.objects.filter(
        pk=job.pk, lease_token=job.lease_token, status=Status.RUNNING
    )


@transaction.atomic
def _end(
    job: ImportJob,
    status: Status,
    *,
    now: datetime,
    report: Report | None = None,
    code: str = "",
    detail: str = "",
) -> None:
    ended = _held(job).update(
        status=status,
        finished_at=now,
        lease_token=None,
        lease_until=None,
        failure_code=code,
        failure_detail=detail,
        file="",
        **({} if report is None else {"report": report.as_json()}),
        **({"bytes_read": F("bytes_total")} if status == Status.COMPLETED else {}),
    )
    if ended:
        audit.record(job, f"importjob_{status}", actor_id=job.actor_id)
        transaction.on_commit(partial(job.file.storage.delete, str(job.file.name)))


class JobJournal(Journal):
    """Keeps the job's row, and with it the lease, up to date."""

    def __init__(
        self, job: ImportJob, *, clock: Callable[[], datetime], deadline: float
    ) -> None:
        self._job = job
        self._clock = clock
        self._deadline = deadline
        self._renewed = time.monotonic()
        self._bytes_read = 0

    def progressed(self, bytes_read: int) -> None:
        self._bytes_read = max(bytes_read, self._bytes_read)
        if time.monotonic() - self._renewed >= RENEWAL_SECONDS:
            self._save()

    def batch_written(self, report: Report, issues: list[Issue], line: int) -> None:
        self._keep(issues)
        self._save(report=report.as_json(), catalogue_line=line, attempts=0)

    def stock_written(self, report: Report, issues: list[Issue], line: int) -> None:
        self._keep(issues)
        self._save(report=report.as_json(), stock_line=line, attempts=0)

    def settled(self, issues: list[Issue]) -> None:  # noqa: ARG002 -- kept with the batch
        if time.monotonic() >= self._deadline:
            raise _TimeUpError

    def _keep(self, issues: list[Issue]) -> None:
        ImportIssue.objects.bulk_create(
            (
                ImportIssue(
                    job=self._job,
                    severity=issue.severity,
                    line=issue.line,
                    column=issue.column,
                    value=issue.value,
                    code=issue.code,
                    message=issue.message,
                )
                for issue in issues
            ),
            batch_size=1000,
        )

    def _save(self, **changes: object) -> None:
        saved = _held(self._job).update(
            lease_until=self._clock() + LEASE,
            bytes_read=Greatest("bytes_read", self._bytes_read),
            **changes,
        )
        if not saved:
            raise _LeaseLostError
        self._renewed = time.monotonic()
