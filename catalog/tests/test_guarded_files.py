"""Uploads while the storage of files is out."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile

from catalog.models import ImportJob
from catalog.tests.importing import mug
from catalog.tests.test_import_api import upload
from core.guarded_storage import GuardedStorage
from core.protection.breaker import State, get_breaker
from inventory.tests.factories import make_warehouse

FILES = "django.core.files.storage.FileSystemStorage"


def guarded(location):
    options = {"location": location}
    return GuardedStorage(name="private", backend=FILES, options=options)


@pytest.fixture
def folder(tmp_path, monkeypatch, breakers_on):
    """Return where files go; while something else is in its place, none can."""
    place = tmp_path / "private"
    field = ImportJob._meta.get_field("file")  # noqa: SLF001 -- Django documents _meta
    monkeypatch.setattr(field, "storage", guarded(place))
    return place


@pytest.mark.django_db
def test_an_upload_is_refused_fast_and_goes_through_under_its_key_later(
    folder, staff, api_as
):
    make_warehouse("north")
    manager = api_as(staff("catalog_manager"))
    folder.write_text("a file in the folder's place")

    codes = [upload(manager, mug(), key=f"k-{n}").json()["code"] for n in range(10)]
    assert codes[0] == "service_unavailable"
    assert codes == sorted(codes, reverse=True)
    refused = upload(manager, mug(), key="k-0")
    assert refused.status_code == 503
    assert refused.json()["code"] == "dependency_unavailable"
    assert refused.json()["dependency"] == "storage.private"
    assert 1 <= int(refused["Retry-After"]) <= 5
    assert not ImportJob.objects.exists()

    Path(folder).unlink()
    get_breaker("storage.private").move(State.CLOSED)
    accepted = upload(manager, mug(), key="k-0")

    assert accepted.status_code == 202
    assert ImportJob.objects.count() == 1


def test_files_are_kept_as_the_inner_storage_keeps_them(folder):
    storage = guarded(folder)

    name = storage.save("a/b.txt", ContentFile(b"mug"))

    assert storage.exists(name)
    assert storage.size(name) == 3
    assert storage.path(name) == str(folder / "a" / "b.txt")
    assert storage.listdir("a") == ([], ["b.txt"])
    assert storage.get_modified_time(name)
    with storage.open(name) as file:
        assert file.read() == b"mug"
    assert storage.save("a/b.txt", ContentFile(b"cap")) != name
    storage.delete(name)
    assert not storage.exists(name)


def test_a_file_that_is_not_there_is_no_outage(folder):
    storage = guarded(folder)

    for _ in range(20):
        with pytest.raises(FileNotFoundError):
            storage.open("nothing.txt")

    assert get_breaker("storage.private").state is State.CLOSED
