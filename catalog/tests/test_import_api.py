import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import imports
from catalog.models import ImportJob, Product
from catalog.tests.importing import NOW, as_csv, mug
from core.ids import uuid7
from inventory.tests.factories import make_warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _private_files(monkeypatch, tmp_path):
    field = ImportJob._meta.get_field("file")  # noqa: SLF001 -- Django documents _meta
    monkeypatch.setattr(field, "storage", FileSystemStorage(tmp_path))


@pytest.fixture
def manager(staff, api_as):
    return api_as(staff("catalog_manager"))


def upload(client, *rows, key=None, content=None, **fields):
    content = as_csv(*rows).encode() if content is None else content
    file = SimpleUploadedFile("spring.csv", content, content_type="text/csv")
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(
        "/api/v1/imports", {"file": file, **fields}, format="multipart", headers=headers
    )


def work(job_id):
    imports.run_job(job_id=job_id, clock=lambda: NOW)


def errors_of(client, job_id, **query):
    return client.get(f"/api/v1/imports/{job_id}/errors", query)


def test_create_import_answers_with_the_queued_job(manager):
    make_warehouse("north")

    response = upload(manager, mug(), currency="USD", warehouse="north", dry_run="true")

    assert response.status_code == 202, response.content
    job = ImportJob.objects.get()
    body = response.json()
    assert response["Location"].endswith(f"/api/v1/imports/{job.pk}")
    report = body.pop("report")
    assert report["counts"]["products_created"] == 0
    assert body == {
        "id": str(job.pk),
        "status": "queued",
        "format": "shopify",
        "file_name": "spring.csv",
        "currency": "USD",
        "warehouse": "north",
        "dry_run": True,
        "progress": {"bytes_read": 0, "bytes_total": job.bytes_total},
        "failure": None,
        "created_at": body["created_at"],
        "started_at": None,
        "finished_at": None,
    }


def test_create_import_nudges_a_worker_after_the_commit(
    manager, monkeypatch, django_capture_on_commit_callbacks
):
    sent = []
    monkeypatch.setattr(
        "core.broker.enqueue", lambda task, **given: sent.append((task, given))
    )

    with django_capture_on_commit_callbacks(execute=True):
        job_id = upload(manager, mug()).json()["id"]

    assert ("catalog.tasks.run_import", {"expires": 30, "job_id": job_id}) in sent


def test_create_import_honours_the_idempotency_key(manager):
    first = upload(manager, mug(), key="one")
    second = upload(manager, mug(), key="one")
    other = upload(manager, mug("b"), key="one")

    assert second.content == first.content
    assert second["Idempotent-Replayed"] == "true"
    assert other.status_code == 422
    assert ImportJob.objects.count() == 1


def test_show_import_tells_progress_and_report(manager):
    make_warehouse()
    job_id = upload(manager, mug(), mug("b", price="x")).json()["id"]
    work(job_id)

    body = manager.get(f"/api/v1/imports/{job_id}").json()

    assert body["status"] == "completed"
    assert body["progress"]["bytes_read"] == body["progress"]["bytes_total"] > 0
    assert body["report"]["counts"]["products_created"] == 1
    assert body["report"]["counts"]["rows_refused"] == 1
    assert body["report"]["errors"] == {"unreadable_price": 1}
    assert Product.objects.get().slug == "mug"


def test_show_import_tells_why_it_failed(manager):
    job_id = upload(manager, content=b"\n").json()["id"]
    work(job_id)

    body = manager.get(f"/api/v1/imports/{job_id}").json()

    assert body["status"] == "failed"
    assert body["failure"] == {
        "code": "unusable_file",
        "detail": "The file is empty.",
    }


def test_list_errors_goes_by_line_and_severity(manager):
    job_id = upload(manager, mug("a", Shelf="1"), mug("b", price="x")).json()["id"]
    work(job_id)

    everything = errors_of(manager, job_id).json()["results"]
    refused = errors_of(manager, job_id, severity="error").json()["results"]

    assert [(e["line"], e["severity"]) for e in everything] == [
        (1, "warning"),
        (3, "error"),
    ]
    assert refused == [
        {
            "line": 3,
            "column": "Variant Price",
            "value": "x",
            "severity": "error",
            "code": "unreadable_price",
            "message": "'x' is not a decimal number.",
        }
    ]


def test_list_errors_is_paged(manager):
    rows = [mug(f"mug-{n}", price="x") for n in range(5)]
    job_id = upload(manager, *rows).json()["id"]
    work(job_id)

    first = errors_of(manager, job_id, limit=3).json()
    second = manager.get(first["next"]).json()

    lines = [e["line"] for e in first["results"] + second["results"]]
    assert lines == [2, 3, 4, 5, 6]
    assert second["next"] is None


def test_list_errors_costs_the_same_for_one_and_three(manager):
    counts = []
    for rows in (1, 3):
        job_id = upload(manager, *(mug(f"m-{n}", price="x") for n in range(rows)))
        work(job_id.json()["id"])
        with CaptureQueriesContext(connection) as queries:
            errors_of(manager, job_id.json()["id"])
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"currency": "XXQ"}, "#/currency"),
        ({"currency": "eur"}, "#/currency"),
        ({"format": "magento"}, "#/format"),
        ({"warehouse": "x" * 33}, "#/warehouse"),
        ({"dry_run": "perhaps"}, "#/dry_run"),
        ({"colour": "red"}, "#/colour"),
    ],
)
def test_create_import_refuses_what_it_does_not_understand(manager, fields, pointer):
    response = upload(manager, mug(), **fields)

    assert response.status_code == 422
    assert [e["pointer"] for e in response.json()["errors"]] == [pointer]
    assert not ImportJob.objects.exists()


def test_create_import_refuses_an_unknown_warehouse(manager):
    response = upload(manager, mug(), warehouse="nowhere")

    assert response.status_code == 422
    assert response.json()["code"] == "unknown_warehouse"
    assert not ImportJob.objects.exists()


def test_create_import_needs_a_file(manager):
    absent = manager.post("/api/v1/imports", {}, format="multipart")
    empty = upload(manager, content=b"")
    text = manager.post("/api/v1/imports", {"file": "a,b"}, format="multipart")
    json = manager.post("/api/v1/imports", {"file": "a,b"}, format="json")

    assert [r.status_code for r in (absent, empty, text)] == [422, 422, 422]
    assert json.status_code == 415


def test_create_import_refuses_a_file_that_is_too_large(manager, settings):
    settings.IMPORT_MAX_BYTES = 1000

    response = upload(manager, content=b"x" * 100_000)

    assert response.status_code == 413
    assert not ImportJob.objects.exists()


def test_unknown_imports_are_not_found(manager):
    path = f"/api/v1/imports/{uuid7()}"

    assert manager.get(path).status_code == 404
    assert manager.get(f"{path}/errors").status_code == 404


def test_list_errors_refuses_an_unknown_severity(manager):
    job_id = upload(manager, mug()).json()["id"]

    response = errors_of(manager, job_id, severity="fatal")

    assert response.status_code == 400
    assert response.json()["parameter"] == "severity"
    assert errors_of(manager, job_id, colour="red").status_code == 400


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("catalog_manager", 202),
        ("admin", 202),
        ("warehouse", 403),
        ("support", 403),
        ("moderator", 403),
    ],
)
def test_imports_are_for_who_manages_the_catalogue(
    staff, api_as, manager, role, status
):
    client = manager if role == "catalog_manager" else api_as(staff(role))
    job_id = upload(manager, mug()).json()["id"]

    assert upload(client, mug()).status_code == status
    reading = 200 if status == 202 else 403
    assert client.get(f"/api/v1/imports/{job_id}").status_code == reading
    assert errors_of(client, job_id).status_code == reading


def test_imports_are_for_nobody_else(api, api_as, customer, manager):
    job_id = upload(manager, mug()).json()["id"]

    for client, status in ((api, 401), (api_as(customer), 403)):
        assert upload(client, mug()).status_code == status
        assert client.get(f"/api/v1/imports/{job_id}").status_code == status
        assert errors_of(client, job_id).status_code == status
