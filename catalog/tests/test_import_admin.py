from html import unescape

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.tests.factories import make_user
from catalog import imports
from catalog.models import ImportJob, Product
from catalog.tests.importing import NOW, as_csv, mug
from inventory.tests.factories import make_warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _private_files(monkeypatch, tmp_path):
    field = ImportJob._meta.get_field("file")  # noqa: SLF001 -- Django documents _meta
    monkeypatch.setattr(field, "storage", FileSystemStorage(tmp_path))


@pytest.fixture
def manager(client):
    """Has the role catalog_manager."""
    user = make_user(roles=("catalog_manager",))
    client.force_login(user)
    client.user_id = user.pk
    return client


def send_import(client, content, **fields):
    file = SimpleUploadedFile("spring.csv", content, content_type="text/csv")
    form = {"file": file, "currency": "EUR", "warehouse_code": ""} | fields
    return client.post("/admin/catalog/importjob/add/", form, follow=True)


def test_an_import_starts_in_the_administration(manager):
    make_warehouse("north")
    response = send_import(manager, as_csv(mug()).encode(), warehouse_code="north")

    job = ImportJob.objects.get()
    assert response.redirect_chain[-1][0] == "/admin/catalog/importjob/"
    assert (job.file_name, job.currency, job.warehouse_code) == (
        "spring.csv",
        "EUR",
        "north",
    )
    assert job.actor_id == manager.user_id
    imports.run_job(job_id=job.pk, clock=lambda: NOW)
    page = manager.get(f"/admin/catalog/importjob/{job.pk}/change/")
    assert "Completed" in page.content.decode()
    assert Product.objects.get().title == "Mug"


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"currency": "EURO"}, "at most 3 characters"),
        ({"currency": "XXA"}, "ISO 4217"),
        ({"warehouse_code": "moon"}, "There is no warehouse"),
        ({"file": ""}, "This field is required"),
    ],
)
def test_an_impossible_import_is_refused_in_the_form(manager, fields, refusal):
    response = send_import(manager, b"Handle,Title\n", **fields)

    assert refusal in unescape(response.content.decode())
    assert not ImportJob.objects.exists()


def test_a_file_that_is_too_large_is_refused_in_the_form(manager, settings):
    settings.IMPORT_MAX_BYTES = 10

    response = send_import(manager, b"Handle,Title\n")

    assert "A file may have 10 bytes" in response.content.decode()


def test_who_may_not_import_sees_no_form(client):
    client.force_login(make_user(roles=("warehouse",)))

    assert client.get("/admin/catalog/importjob/add/").status_code == 403
