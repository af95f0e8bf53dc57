from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.auth import Device
from accounts.constants import (
    STRANGERS_ACTIVITY_PER_HOUR,
    ActivityKind,
)
from accounts.models import ActivityEntry
from accounts.services import erase_activity, record_activity, remove_outdated_activity
from accounts.tests.factories import make_user
from core.tests.administration import assert_cost_is_flat

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PHONE = Device(name="Anna's phone", address="203.0.113.7", user_agent="Firefox/140")


def record(user, kind=ActivityKind.SIGNED_IN, *, now=None, **more):
    record_activity(
        **{"user_id": user.pk, "kind": kind, "device": PHONE, "now": now or NOW} | more
    )


def activity(client, **query):
    return client.get("/api/v1/me/activity", query)


@pytest.fixture
def at_noon():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.mark.usefixtures("at_noon")
def test_the_owner_reads_what_happened_the_newest_first(api_as, customer, stranger):
    record(customer, now=NOW - timedelta(hours=1))
    record(
        customer,
        ActivityKind.ROLES_CHANGED,
        device=None,
        details={"roles": ["support"]},
        now=NOW - timedelta(minutes=1),
    )
    record(stranger, now=NOW - timedelta(minutes=1))

    response = activity(api_as(customer))

    assert response.status_code == 200
    shown = [
        {name: value for name, value in entry.items() if name != "id"}
        for entry in response.json()["results"]
    ]
    assert shown == [
        {
            "kind": "roles_changed",
            "at": "2026-11-21T11:59:00.000000Z",
            "address": "",
            "device": {"name": "", "user_agent": ""},
            "details": {"roles": ["support"]},
        },
        {
            "kind": "signed_in",
            "at": "2026-11-21T11:00:00.000000Z",
            "address": "203.0.113.7",
            "device": {"name": "Anna's phone", "user_agent": "Firefox/140"},
            "details": {},
        },
    ]


@pytest.mark.usefixtures("at_noon")
def test_pages_follow_each_other_also_within_one_instant(api_as, customer):
    client = api_as(customer)
    for _ in range(5):
        record(customer, now=NOW - timedelta(minutes=1))

    first = activity(client, limit=2).json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()

    ids = [e["id"] for page in (first, second, third) for e in page["results"]]
    newest_first = ActivityEntry.objects.order_by("-at", "-id")
    assert ids == [str(pk) for pk in newest_first.values_list("pk", flat=True)]
    assert third["next"] is None


@pytest.mark.usefixtures("at_noon")
def test_a_kind_filters_and_an_unknown_one_is_refused(api_as, customer):
    client = api_as(customer)
    record(customer)
    record(customer, ActivityKind.SIGN_IN_FAILED)

    found = activity(client, kind="sign_in_failed").json()["results"]
    refused = activity(client, kind="danced")

    assert [entry["kind"] for entry in found] == ["sign_in_failed"]
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_parameter")
    assert refused.json()["parameter"] == "kind"


@pytest.mark.usefixtures("at_noon")
def test_the_list_costs_the_same_for_any_number_of_rows(api_as, customer):
    client = api_as(customer)

    def queries():
        with CaptureQueriesContext(connection) as found:
            assert activity(client).status_code == 200
        return len(found)

    record(customer)
    one = queries()
    record(customer)
    record(customer)

    assert queries() == one


def test_an_entry_is_never_changed_and_not_deleted_by_the_way():
    record(make_user())
    entry = ActivityEntry.objects.get()

    for change in (
        lambda: ActivityEntry.objects.update(kind="other"),
        entry.delete,
        lambda: connection.cursor().execute("DELETE FROM accounts_activityentry"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()

    assert ActivityEntry.objects.get().kind == "signed_in"


@pytest.mark.usefixtures("at_noon")
def test_entries_are_gone_after_400_days(api_as, customer):
    record(customer, now=NOW - settings.RETENTION["activity"])
    record(customer, now=NOW - settings.RETENTION["activity"] + timedelta(minutes=1))

    # Past its time it isn't shown, swept or not.
    assert len(activity(api_as(customer)).json()["results"]) == 1
    assert remove_outdated_activity(now=NOW) == 1
    assert ActivityEntry.objects.count() == 1


def test_removing_closes_the_door_behind_itself():
    user = make_user()
    record(user, now=NOW - timedelta(days=500))
    record(user)
    remove_outdated_activity(now=NOW)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ActivityEntry.objects.all().delete()


def test_removing_takes_the_oldest_up_to_its_limit():
    user = make_user()
    for days in (500, 502, 501):
        record(user, now=NOW - timedelta(days=days))

    assert remove_outdated_activity(now=NOW, limit=2) == 2
    assert ActivityEntry.objects.get().at == NOW - timedelta(days=500)


def test_erasing_takes_one_persons_entries():
    anna, berta = make_user(), make_user()
    record(anna)
    record(anna)
    record(berta)

    assert erase_activity(user_id=anna.pk) == 2
    assert ActivityEntry.objects.get().user_id == berta.pk


def test_strangers_cannot_bury_the_rest():
    anna, berta = make_user(), make_user()
    for _ in range(STRANGERS_ACTIVITY_PER_HOUR + 5):
        record(anna, ActivityKind.SIGN_IN_FAILED)
    record(berta, ActivityKind.SIGN_IN_FAILED)
    record(anna, ActivityKind.SIGNED_IN)

    counts = [ActivityEntry.objects.of(who.pk).count() for who in (anna, berta)]
    assert counts == [STRANGERS_ACTIVITY_PER_HOUR + 1, 1]

    record(anna, ActivityKind.SIGN_IN_FAILED, now=NOW + timedelta(hours=1))
    assert ActivityEntry.objects.of(anna.pk).count() == counts[0] + 1


def test_what_a_client_says_of_itself_is_cut_to_size():
    device = Device(name="n" * 1000, address="a" * 1000, user_agent="u" * 10_000)

    record(make_user(), device=device)

    entry = ActivityEntry.objects.get()
    lengths = [len(entry.device_name), len(entry.address), len(entry.user_agent)]
    assert lengths == [100, 45, 300]


def test_details_stay_small():
    with pytest.raises(ValueError, match="too long"):
        record(make_user(), details={"text": "x" * 3000})


def test_staff_look_and_do_not_touch(client):
    client.force_login(make_user(roles=("admin",)))
    assert_cost_is_flat(
        client, "/admin/accounts/activityentry/", lambda: record(make_user())
    )
    entry = ActivityEntry.objects.first()

    page = client.get(f"/admin/accounts/activityentry/{entry.pk}/change/")
    refused = client.post(f"/admin/accounts/activityentry/{entry.pk}/delete/")

    assert (page.status_code, refused.status_code) == (200, 403)
