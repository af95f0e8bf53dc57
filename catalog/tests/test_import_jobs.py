import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from catalog import imports
from catalog.imports import ImportOptions, _batches, _jobs
from catalog.models import ImportIssue, ImportJob, Product
from catalog.tests.importing import LATER, NOW, as_csv, mug, run
from catalog.tests.test_import_command import ROOT, database_url
from core.models import AuditEntry
from inventory.models import Movement, Stock
from inventory.tests.factories import make_warehouse

Status = ImportJob.Status


@pytest.fixture(autouse=True)
def _private_files(monkeypatch, tmp_path):
    field = ImportJob._meta.get_field("file")  # noqa: SLF001 -- Django documents _meta
    monkeypatch.setattr(field, "storage", FileSystemStorage(tmp_path))


def submit(*rows, now=NOW, **options):
    file = SimpleUploadedFile("products.csv", as_csv(*rows).encode())
    options = ImportOptions(**{"currency": "EUR", **options})
    return imports.submit_import(file=file, options=options, now=now)


def work(job, *, now=NOW, **options):
    imports.run_job(job_id=job.pk, clock=lambda: now, **options)
    job.refresh_from_db()
    return job


def mugs(count, **cells):
    return [
        mug(
            f"mug-{n}",
            **{"Variant SKU": f"M-{n}", "Variant Inventory Qty": "3"},
            **cells,
        )
        for n in range(count)
    ]


@pytest.mark.django_db
def test_run_job_imports_the_file_and_throws_it_away(tmp_path):
    make_warehouse()
    job = submit(*mugs(3), mug("bad", price="x"))
    assert list(tmp_path.rglob("*.csv"))

    work(job)

    assert job.status == Status.COMPLETED
    assert (job.started_at, job.finished_at) == (NOW, NOW)
    assert job.bytes_read == job.bytes_total > 0
    assert job.report["counts"]["products_created"] == 3
    assert job.report["errors"] == {"unreadable_price": 1}
    issue = job.issues.get()
    assert (issue.line, issue.column, issue.value) == (5, "Variant Price", "x")
    assert not job.file
    actions = AuditEntry.objects.filter(subject_id=str(job.pk))
    assert set(actions.values_list("action", flat=True)) == {
        "importjob_submitted",
        "importjob_completed",
    }


@pytest.mark.django_db
def test_run_job_dry_run_writes_nothing_but_its_report():
    job = work(submit(*mugs(3), is_dry_run=True))

    assert job.status == Status.COMPLETED
    assert job.report["counts"]["products_created"] == 3
    assert not Product.objects.exists()


@pytest.mark.django_db
def test_run_job_fails_for_a_file_that_is_empty():
    file = SimpleUploadedFile("products.csv", b"\n\n")
    job = imports.submit_import(
        file=file, options=ImportOptions(currency="EUR"), now=NOW
    )

    work(job)

    assert job.status == Status.FAILED
    assert (job.failure_code, job.failure_detail) == (
        "unusable_file",
        "The file is empty.",
    )


@pytest.mark.django_db
def test_run_job_completes_with_an_unknown_layout_refused():
    file = SimpleUploadedFile("products.csv", b"ID,Name\n1,Mug\n")
    job = imports.submit_import(
        file=file, options=ImportOptions(currency="EUR"), now=NOW
    )

    work(job)

    assert job.status == Status.COMPLETED
    assert job.report["errors"] == {"unknown_layout": 1}
    assert job.issues.get().line == 1


@pytest.mark.django_db
@pytest.mark.parametrize("status", Status)
def test_run_job_moves_only_along_the_transitions(status):
    job = submit(*mugs(1))
    ImportJob.objects.filter(pk=job.pk).update(status=status)

    work(job)

    is_open = Status.COMPLETED in ImportJob.TRANSITIONS[status] or any(
        Status.COMPLETED in ImportJob.TRANSITIONS[between]
        for between in ImportJob.TRANSITIONS[status]
    )
    assert job.status == (Status.COMPLETED if is_open else status)
    assert Product.objects.exists() == is_open


def test_transitions_cover_every_status():
    assert set(ImportJob.TRANSITIONS) == set(Status)


@pytest.mark.django_db
def test_run_job_leaves_a_job_that_another_worker_holds():
    job = submit(*mugs(1))
    ImportJob.objects.filter(pk=job.pk).update(
        status=Status.RUNNING, lease_until=NOW + timedelta(seconds=1)
    )

    assert work(job).status == Status.RUNNING
    assert not Product.objects.exists()
    assert work(job, now=NOW + timedelta(seconds=1)).status == Status.COMPLETED


@pytest.mark.django_db
def test_run_job_goes_on_in_slices(monkeypatch):
    make_warehouse()
    monkeypatch.setattr(_batches, "MAX_PRODUCTS", 2)
    nudged = []
    monkeypatch.setattr(_jobs, "_nudge", nudged.append)
    rows = [*mugs(5), mug("bad", price="x")]
    job = submit(*rows)
    slices = 0

    while job.status in {Status.QUEUED, Status.RUNNING}:
        work(job, seconds=0)
        slices += 1
        assert slices < 20

    assert slices > 3
    assert len(nudged) >= slices - 1
    expected, _ = run(as_csv(*rows), is_dry_run=True)
    counts = job.report["counts"]
    assert counts["rows_read"] == expected.counts["rows_read"] == 6
    assert counts["products_created"] == 5
    assert counts["products_unchanged"] == 0
    assert counts["stock_counted"] == 5
    assert job.issues.count() == 1
    assert Movement.objects.count() == 5


class WorkerDied(BaseException):
    """As good as a kill: nothing of ours gets to clean up."""


def die_after(monkeypatch, target, name, *, calls):
    """Let the worker die in the given call of a function, after its work is done."""
    original = getattr(target, name)
    made = []

    def call(*args, **kwargs):
        result = original(*args, **kwargs)
        made.append(name)
        if len(made) == calls:
            raise WorkerDied
        return result

    monkeypatch.setattr(target, name, call)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["batch_written", "settled", "stock_written"])
@pytest.mark.parametrize("calls", [1, 2, 3, 4])
def test_run_job_resumes_exactly_where_a_worker_died(monkeypatch, step, calls):
    make_warehouse()
    monkeypatch.setattr(_batches, "MAX_PRODUCTS", 2)
    rows = [*mugs(5), mug("bad", price="x"), mug("mug-0", title="Again")]
    job = submit(*rows)

    with monkeypatch.context() as context:
        die_after(context, _jobs.JobJournal, step, calls=calls)
        with pytest.raises(WorkerDied):
            work(job)
    later = NOW + timedelta(minutes=5)
    work(job, now=later)

    assert job.status == Status.COMPLETED
    counts = {name: count for name, count in job.report["counts"].items() if count}
    assert counts == {
        "rows_read": 7,
        "rows_refused": 1,
        "products_created": 5,
        "products_refused": 1,
        "variants_created": 5,
        "variants_updated": 1,
        "stock_counted": 5,
    }
    assert list(job.issues.order_by("line").values_list("line", "code")) == [
        (7, "unreadable_price"),
        (8, "product_comes_back"),
    ]
    assert Product.objects.count() == 5
    assert Stock.objects.count() == Movement.objects.count() == 5


@pytest.mark.django_db
def test_run_job_undoes_the_batch_of_a_worker_that_lost_its_lease(monkeypatch):
    job = submit(*mugs(3))
    original = _jobs.JobJournal.batch_written

    def lose_lease(self, report, issues, line):
        if line > 1:
            ImportJob.objects.filter(pk=job.pk).update(lease_token=None)
        original(self, report, issues, line)

    monkeypatch.setattr(_jobs.JobJournal, "batch_written", lose_lease)

    work(job)

    assert job.status == Status.RUNNING
    assert not Product.objects.exists()


@pytest.mark.django_db
def test_run_job_gives_up_on_a_file_that_kills_every_worker(monkeypatch):
    job = submit(*mugs(1))

    def die(*args, **kwargs):
        raise WorkerDied

    now = NOW
    with monkeypatch.context() as context:
        context.setattr("catalog.imports._running.plan_batch", die)
        # The attempt that first says something about the file counts as progress.
        for _ in range(_jobs.MAX_ATTEMPTS + 1):
            now += timedelta(minutes=5)
            try:
                work(job, now=now)
            except WorkerDied:
                continue
    work(job, now=now + timedelta(minutes=5))

    assert job.status == Status.FAILED
    assert job.failure_code == "import_broken"


@pytest.mark.django_db
def test_journal_renews_the_lease_while_nothing_is_written(monkeypatch):
    monkeypatch.setattr(_jobs, "RENEWAL_SECONDS", 0)
    job = submit(*mugs(1))
    times = iter(NOW + timedelta(seconds=n) for n in range(10_000))

    imports.run_job(job_id=job.pk, clock=lambda: next(times))

    job.refresh_from_db()
    assert job.status == Status.COMPLETED


@pytest.mark.django_db
def test_resume_imports_finds_what_no_worker_is_at(monkeypatch):
    nudged = []
    monkeypatch.setattr(_jobs, "_nudge", nudged.append)
    jobs = [submit(*mugs(1)) for _ in range(4)]
    ImportJob.objects.filter(pk=jobs[1].pk).update(
        status=Status.RUNNING, lease_until=LATER
    )
    ImportJob.objects.filter(pk=jobs[2].pk).update(
        status=Status.RUNNING, lease_until=NOW
    )
    ImportJob.objects.filter(pk=jobs[3].pk).update(status=Status.COMPLETED)

    assert imports.resume_imports(now=NOW) == 2
    assert nudged == [jobs[0].pk, jobs[2].pk]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_may_be_killed(tmp_path):
    make_warehouse()
    job = submit(*mugs(1200), now=timezone.now())
    script = (
        "import django, sys; django.setup()\n"
        "from django.core.files.storage import FileSystemStorage\n"
        "from catalog.models import ImportJob\n"
        "from catalog.tasks import run_import\n"
        "field = ImportJob._meta.get_field('file')\n"
        f"field.storage = FileSystemStorage({str(tmp_path)!r})\n"
        f"run_import(job_id={str(job.pk)!r})\n"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": database_url(),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment
    )
    give_up = time.monotonic() + 60
    while Product.objects.count() < 200 and time.monotonic() < give_up:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    made = Product.objects.count()
    assert 0 < made < 1200

    imports.run_job(job_id=job.pk, clock=lambda: timezone.now() + timedelta(minutes=2))

    job.refresh_from_db()
    assert job.status == Status.COMPLETED
    assert job.report["counts"]["products_created"] == 1200
    assert Stock.objects.count() == Movement.objects.count() == 1200
    assert not ImportIssue.objects.exists()
