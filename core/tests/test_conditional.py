import pytest
from django.test import RequestFactory

from catalog.models import Vendor
from core.conditional import (
    PreconditionRequiredError,
    StaleVersionError,
    expected_version,
    matches_etag,
    update_versioned,
)
from core.exceptions import NotFoundError

PATH = "/api/t/versioned"


@pytest.fixture
def api(api, settings):
    settings.ROOT_URLCONF = "core.tests.urls"
    return api


def if_match(value):
    return RequestFactory().patch("/", headers={"If-Match": value})


@pytest.mark.parametrize(
    ("header", "version"), [('"7"', 7), ('"7-ab12"', 7), (' "12" ', 12)]
)
def test_expected_version_reads_the_tag(header, version):
    assert expected_version(if_match(header)) == version


@pytest.mark.parametrize("header", ["", "*"])
def test_expected_version_must_be_said(header):
    with pytest.raises(PreconditionRequiredError):
        expected_version(if_match(header))


@pytest.mark.parametrize(
    "header",
    ["7", 'W/"7"', '"abc"', '"7", "8"', '"-1"', '"' + "9" * 30 + '"', '"\u0667"'],
)
def test_expected_version_takes_no_other_tag(header):
    with pytest.raises(StaleVersionError):
        expected_version(if_match(header))


@pytest.mark.parametrize(
    ("header", "is_match"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
        ("", False),
    ],
)
def test_matches_etag(header, is_match):
    assert matches_etag(header, '"a"') is is_match


def test_a_tag_is_strong_by_the_body(api):
    full, part = api.get(PATH), api.get(f"{PATH}?fields=id")

    assert full.headers["ETag"].startswith('"7-')
    assert part.headers["ETag"].startswith('"7-')
    assert full.headers["ETag"] != part.headers["ETag"]
    assert part.json() == {"id": 1}


def test_who_has_it_gets_304(api):
    etag = api.get(PATH).headers["ETag"]

    response = api.get(PATH, headers={"If-None-Match": etag})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == etag


def test_the_tag_of_a_read_is_taken_by_a_write(api):
    etag = api.get(PATH).headers["ETag"]

    assert api.patch(PATH, {}, headers={"If-Match": etag}).json() == {"version": 7}
    missing = api.patch(PATH, {})
    assert (missing.status_code, missing.json()["code"]) == (
        428,
        "precondition_required",
    )


@pytest.fixture
def vendor(db):
    return Vendor.objects.create(name="Acme", slug="acme", version=3)


def test_update_versioned_raises_the_version(vendor):
    update_versioned(Vendor.objects.filter(pk=vendor.pk), version=3, name="Apex")

    before = vendor.updated_at
    vendor.refresh_from_db()
    assert (vendor.name, vendor.version) == ("Apex", 4)
    assert vendor.updated_at > before


def test_update_versioned_refuses_an_old_version(vendor):
    with pytest.raises(StaleVersionError) as error:
        update_versioned(Vendor.objects.filter(pk=vendor.pk), version=2, name="Apex")

    assert error.value.headers() == {"ETag": '"3"'}
    vendor.refresh_from_db()
    assert (vendor.name, vendor.version) == ("Acme", 3)


def test_update_versioned_of_nothing_is_not_found(vendor):
    queryset = Vendor.objects.filter(pk=vendor.pk)
    vendor.delete()

    with pytest.raises(NotFoundError):
        update_versioned(queryset, version=3, name="Apex")
