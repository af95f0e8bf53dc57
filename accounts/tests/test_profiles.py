"""Who somebody is, how they want it, and where their parcels go."""

from threading import Barrier

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.constants import MAX_ADDRESSES
from accounts.exceptions import TooManyAddressesError
from accounts.models import ActivityEntry, Address, ConsentEntry, Preferences
from accounts.services import (
    _addresses,
    add_address,
    change_address,
    erase_consents,
)
from accounts.tests.factories import make_user
from core.tests.racing import race

ME = "/api/v1/auth/me"
PREFERENCES = "/api/v1/me/preferences"
ADDRESSES = "/api/v1/me/addresses"
HOME = {
    "full_name": "Anna Smith",
    "line1": "12 Harbour Street",
    "city": "Galway",
    "postal_code": "H91 E9XY",
    "country": "IE",
}
BERLIN = {
    "full_name": "Anna Schmidt",
    "line1": "Hafenstr. 12",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}
each_default = pytest.mark.parametrize(
    "default", ["is_default_shipping", "is_default_billing"]
)


@pytest.fixture
def anna(db):
    return make_user(email="anna@example.com", name="Anna Smith")


@pytest.fixture
def api(api_as, anna):
    return api_as(anna)


def errors_of(response):
    assert response.status_code == 422, response.content
    return {e["pointer"]: e["code"] for e in response.json()["errors"]}


def kinds():
    return list(ActivityEntry.objects.order_by("id").values_list("kind", flat=True))


def keep(user, fields=HOME, **more):
    return add_address(
        user_id=user.pk, fields=fields | more, device=None, now=timezone.now()
    )


def test_a_profile_is_read_and_changed(api, anna):
    assert api.get(ME).json()["name"] == "Anna Smith"

    response = api.patch(
        ME, {"name": "Anna S.", "locale": "de-AT", "timezone": "Europe/Vienna"}
    )

    assert response.status_code == 200
    assert response.json() == api.get(ME).json()
    shown = [response.json()[name] for name in ("name", "locale", "timezone")]
    assert shown == ["Anna S.", "de-AT", "Europe/Vienna"]
    entry = ActivityEntry.objects.get()
    assert (entry.user_id, entry.kind) == (anna.pk, "profile_changed")
    assert entry.details == {"changed": ["locale", "name", "timezone"]}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": "other@example.com"}, "#/email"),
        ({"roles": ["admin"]}, "#/roles"),
        ({"is_staff": True}, "#/is_staff"),
        ({"locale": "klingon"}, "#/locale"),
        ({"locale": "xx-YY"}, "#/locale"),
        ({"timezone": "Mars/Olympus"}, "#/timezone"),
        ({"timezone": "../etc/passwd"}, "#/timezone"),
        ({"name": "x" * 201}, "#/name"),
    ],
)
def test_what_is_no_profile_is_refused(api, change, pointer):
    assert list(errors_of(api.patch(ME, change))) == [pointer]


def test_a_change_of_nothing_leaves_no_trace(api):
    assert api.patch(ME, {"name": "Anna Smith"}).status_code == 200
    assert kinds() == []


def test_preferences_are_the_shops_until_somebody_chooses(api):
    response = api.get(PREFERENCES)

    assert response.json() == {
        "locale": "en",
        "timezone": "UTC",
        "currency": "",
        "marketing": False,
        "marketing_changed_at": None,
    }
    assert response.headers["ETag"].startswith('"0-')
    assert not Preferences.objects.exists()


def change(api, changes, *, etag=None):
    etag = etag or api.get(PREFERENCES).headers["ETag"]
    return api.patch(PREFERENCES, changes, headers={"If-Match": etag})


def test_preferences_are_changed_against_the_version_that_was_seen(api):
    seen = api.get(PREFERENCES).headers["ETag"]

    first = change(api, {"currency": "USD", "locale": "de"}, etag=seen)
    stale = change(api, {"currency": "EUR"}, etag=seen)
    blind = api.patch(PREFERENCES, {"currency": "EUR"})

    assert first.status_code == 200
    assert first.json() == api.get(PREFERENCES).json()
    assert (first.json()["currency"], first.json()["locale"]) == ("USD", "de")
    assert (stale.status_code, blind.status_code) == (412, 428)
    assert api.get(ME).json()["locale"] == "de"


def test_a_change_of_the_profile_makes_seen_preferences_stale(api):
    seen = api.get(PREFERENCES).headers["ETag"]
    api.patch(ME, {"timezone": "Asia/Tokyo"})

    assert change(api, {"timezone": "UTC"}, etag=seen).status_code == 412


def test_the_consent_to_marketing_has_its_history(api, anna):
    for wish in (True, True, False):
        change(api, {"marketing": wish})
    change(api, {"currency": "USD"})

    listed = api.get(f"{PREFERENCES}/consents").json()["results"]

    assert [(e["purpose"], e["is_given"]) for e in listed] == [
        ("marketing", False),
        ("marketing", True),
    ]
    assert listed[0]["address"] == "127.0.0.1"
    shown = api.get(PREFERENCES).json()
    assert shown["marketing"] is False
    assert shown["marketing_changed_at"] == listed[0]["at"]


def test_the_history_of_consent_costs_the_same_for_any_number(api, anna):
    def queries():
        with CaptureQueriesContext(connection) as found:
            assert api.get(f"{PREFERENCES}/consents").status_code == 200
        return len(found)

    change(api, {"marketing": True})
    one = queries()
    change(api, {"marketing": False})
    change(api, {"marketing": True})

    assert queries() == one


def test_consent_is_never_rewritten_and_erased_only_by_its_service(api, anna):
    change(api, {"marketing": True})

    for act in (
        lambda: ConsentEntry.objects.update(is_given=False),
        ConsentEntry.objects.all().delete,
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            act()

    assert erase_consents(user_id=anna.pk) == 1


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"currency": "XYZ"}, "#/currency"),
        ({"marketing": "perhaps"}, "#/marketing"),
        ({"theme": "dark"}, "#/theme"),
    ],
)
def test_what_is_no_preference_is_refused(api, wish, pointer):
    assert list(errors_of(change(api, wish))) == [pointer]


def test_an_address_is_kept_as_its_country_writes_it(api):
    body = HOME | {"postal_code": "h91  e9xy", "phone": "(091) 123456"}

    response = api.post(ADDRESSES, body)

    assert response.status_code == 201
    shown = dict(response.json())
    address = Address.objects.get()
    stamps = {name: shown.pop(name) for name in ("id", "created_at", "updated_at")}
    assert stamps["id"] == str(address.pk)
    assert shown == HOME | {
        "company": "",
        "line2": "",
        "region": "",
        "phone": "+35391123456",
        "is_default_shipping": True,
        "is_default_billing": True,
    }
    one = api.get(f"{ADDRESSES}/{address.pk}")
    assert one.json() == response.json()
    assert one.headers["ETag"] == response.headers["ETag"]
    assert api.get(ADDRESSES).json()["results"] == [response.json()]
    assert kinds() == ["address_added"]


def test_who_lives_where_rests_encrypted(api):
    api.post(ADDRESSES, HOME | {"phone": "+35391123456", "company": "Smith & Sons"})

    with connection.cursor() as cursor:
        cursor.execute("SELECT a::text FROM accounts_address AS a")
        [(row,)] = cursor.fetchall()

    for text in ("Anna", "Smith", "Harbour", "Galway", "H91", "91123456"):
        assert text not in row


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"postal_code": "12"}, {"#/postal_code": "invalid"}),
        ({"country": "DE", "postal_code": ""}, {"#/postal_code": "required"}),
        ({"country": "XX"}, {"#/country": "unknown"}),
        (
            {"country": "US", "postal_code": "94105"},
            {"#/region": "required"},
        ),
        ({"phone": "911"}, {"#/phone": "invalid"}),
        ({"line1": ""}, {"#/line1": "blank"}),
        ({"floor": "2"}, {"#/floor": "unknown_field"}),
        ({"full_name": "x" * 201}, {"#/full_name": "max_length"}),
    ],
)
def test_an_address_that_cannot_be_names_what_is_wrong(api, changes, expected):
    assert errors_of(api.post(ADDRESSES, HOME | changes)) == expected
    assert not Address.objects.exists()


def patch(api, address, changes, *, version=None):
    tag = f'"{version or Address.objects.get(pk=address.pk).version}"'
    return api.patch(f"{ADDRESSES}/{address.pk}", changes, headers={"If-Match": tag})


def test_an_address_is_changed_and_moves_abroad(api, anna):
    address = keep(anna)

    half = patch(api, address, {"country": "DE"})
    whole = patch(api, address, BERLIN)

    # The old code doesn't fit the new country.
    assert errors_of(half) == {"#/postal_code": "invalid"}
    assert whole.status_code == 200
    assert whole.json() | BERLIN == whole.json()
    assert kinds() == ["address_added", "address_changed"]


def test_an_address_is_changed_and_removed_only_as_it_was_seen(api, anna):
    address = keep(anna)
    url = f"{ADDRESSES}/{address.pk}"
    patch(api, address, {"line1": "13 Harbour Street"})

    assert patch(api, address, {"line1": "14"}, version=1).status_code == 412
    assert api.patch(url, {"line1": "14"}).status_code == 428
    assert api.delete(url).status_code == 428
    assert api.delete(url, headers={"If-Match": '"1"'}).status_code == 412
    assert api.delete(url, headers={"If-Match": '"2"'}).status_code == 204
    assert not Address.objects.exists()
    assert kinds()[-1] == "address_removed"


def test_another_persons_address_is_not_there(api, api_as, stranger, anna):
    address = keep(anna)
    url = f"{ADDRESSES}/{address.pk}"
    charlie = api_as(stranger)
    tag = {"If-Match": '"1"'}

    answers = [
        charlie.get(url),
        charlie.patch(url, {"line1": "Mine"}, headers=tag),
        charlie.delete(url, headers=tag),
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [
        (404, "address_not_found")
    ] * 3
    assert charlie.get(ADDRESSES).json()["results"] == []
    address.refresh_from_db()
    assert address.line1 == HOME["line1"]


@each_default
def test_the_default_moves_and_the_other_has_a_new_version(api, anna, default):
    first, second = keep(anna), keep(anna, BERLIN)

    assert patch(api, second, {default: True}).status_code == 200

    rows = {a.pk: (getattr(a, default), a.version) for a in Address.objects.all()}
    assert rows == {first.pk: (False, 2), second.pk: (True, 2)}


def test_a_new_address_may_be_the_default_at_once(anna):
    first, second = keep(anna), keep(anna, BERLIN, is_default_billing=True)

    first.refresh_from_db()
    flags = [(a.is_default_shipping, a.is_default_billing) for a in (first, second)]
    assert flags == [(True, False), (False, True)]


@each_default
def test_the_database_holds_one_default_only(anna, default):
    keep(anna)
    second = keep(anna, BERLIN)

    with pytest.raises(IntegrityError), transaction.atomic():
        Address.objects.filter(pk=second.pk).update(**{default: True})


def test_the_list_costs_the_same_for_any_number_of_rows(api, anna):
    def queries():
        with CaptureQueriesContext(connection) as found:
            assert api.get(ADDRESSES).status_code == 200
        return len(found)

    keep(anna)
    one = queries()
    keep(anna, BERLIN)
    keep(anna, BERLIN)

    assert queries() == one


def test_the_address_book_has_an_end(api, anna):
    Address.objects.bulk_create(
        Address(user=anna, **HOME) for _ in range(MAX_ADDRESSES)
    )

    response = api.post(ADDRESSES, HOME)

    problem = response.json()
    assert (response.status_code, problem["code"]) == (409, "too_many_addresses")
    assert problem["limit"] == MAX_ADDRESSES


def fill(anna, *, room):
    Address.objects.bulk_create(
        Address(user=anna, **HOME) for _ in range(MAX_ADDRESSES - room)
    )


def add_at_once(anna, number):
    outcomes = race([lambda: keep(anna) for _ in range(number)])
    refused = [o for o in outcomes if isinstance(o, TooManyAddressesError)]
    return Address.objects.of(anna.pk).count(), len(refused)


@pytest.mark.django_db(transaction=True)
def test_nobody_gets_a_51st_address_by_asking_eight_times_at_once():
    anna = make_user()
    fill(anna, room=3)

    assert add_at_once(anna, 8) == (MAX_ADDRESSES, 5)


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_the_address_book_overflows(monkeypatch):
    anna = make_user()
    fill(anna, room=1)
    meet(monkeypatch, parties=4)

    count, _ = add_at_once(anna, 4)

    assert count > MAX_ADDRESSES


def default_at_once(addresses, default):
    now = timezone.now()

    def choose(address):
        return change_address(
            user_id=address.user_id,
            address_id=address.pk,
            version=address.version,
            changes={default: True},
            device=None,
            now=now,
        )

    return race([lambda a=address: choose(a) for address in addresses])


@pytest.mark.django_db(transaction=True)
@each_default
def test_of_addresses_chosen_at_once_one_is_the_default(default):
    anna = make_user()
    addresses = [keep(anna, BERLIN) for _ in range(5)]
    addresses[0].refresh_from_db()

    outcomes = default_at_once(addresses[1:], default)

    assert [o for o in outcomes if not isinstance(o, Address)] == []
    assert Address.objects.filter(**{default: True}).count() == 1


@pytest.mark.django_db(transaction=True)
@each_default
def test_without_the_lock_the_choice_fails(monkeypatch, default):
    anna = make_user()
    addresses = [keep(anna, BERLIN) for _ in range(3)]
    Address.objects.update(**{default: False})
    meet(monkeypatch, parties=3)

    outcomes = default_at_once(addresses, default)

    # The constraint holds, but somebody is told of a broken database for it.
    assert any(isinstance(o, DatabaseError) for o in outcomes)
    assert Address.objects.filter(**{default: True}).count() == 1


def meet(monkeypatch, *, parties):
    """Take the lock away, and let all have read what they decide by before one writes."""
    barrier = Barrier(parties)
    take_defaults = _addresses._take_defaults  # noqa: SLF001 -- to hold it up

    def wait_for_the_others(*args):
        take_defaults(*args)
        barrier.wait(30)

    monkeypatch.setattr(_addresses, "lock_addresses", lambda _: None)
    monkeypatch.setattr(_addresses, "_take_defaults", wait_for_the_others)
