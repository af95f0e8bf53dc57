import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError, connections, transaction
from django.http import Http404
from psycopg.errors import QueryCanceled
from rest_framework.test import APIClient

from core import bytes_store as store
from core.bytes_cache import PUBLIC, bump_generation
from core.postgresql.outage import outage
from core.protection.circuit import State
from core.protection.counters import totals
from core.tests import urls

pytestmark = [
    pytest.mark.urls("core.tests.urls"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("bytes_cache"),
]
PATH = "/api/t/public"


def end_the_rest():
    if store.breaker.is_shut:
        store.breaker.move(State.CLOSED)


@pytest.fixture(autouse=True)
def builds(monkeypatch):
    urls.builds.clear()
    monkeypatch.setattr(urls.PublicView, "seconds", 0.0)
    end_the_rest()
    store.overdue.clear()
    yield urls.builds
    end_the_rest()
    store.overdue.clear()
    outage.end()


@transaction.atomic
def add_group(name):
    Group.objects.create(name=name)
    bump_generation()


def names(response):
    return [n for n in response.json()["names"] if n.startswith("g-")]


def test_a_second_read_is_not_built(api, builds):
    first, second = api.get(PATH), api.get(PATH)

    assert len(builds) == 1
    assert first.content == second.content
    assert first.headers["ETag"] == second.headers["ETag"]
    assert second.headers["Cache-Control"] == PUBLIC
    assert second.headers["Content-Type"] == "application/json"
    assert second.headers["Vary"] == "Accept, API-Version, Authorization, origin"


def test_a_hit_costs_no_query(api, django_assert_num_queries):
    api.get(PATH)

    with django_assert_num_queries(0):
        api.get(PATH)


def test_another_process_finds_the_shared_copy(api, builds):
    first = api.get(PATH)
    store.memory.clear("catalog")

    second = api.get(PATH)

    assert len(builds) == 1
    assert second.content == first.content
    assert second.headers["ETag"] == first.headers["ETag"]


def test_a_change_is_visible_in_the_next_read(api):
    for number in range(5):
        api.get(PATH)
        add_group(f"g-{number}")

        assert len(names(api.get(PATH))) == number + 1


def test_a_change_that_rolls_back_forgets_nothing(api, builds):
    api.get(PATH)

    with transaction.atomic():
        bump_generation()
        transaction.set_rollback(True)
    api.get(PATH)

    assert len(builds) == 1


def test_without_the_bump_a_change_stays_unseen(api):
    # The control of the tests above: the cache does hold on to what it has.
    api.get(PATH)
    Group.objects.create(name="g-unseen")

    assert names(api.get(PATH)) == []


def test_who_has_it_gets_304(api):
    etag = api.get(PATH).headers["ETag"]

    fresh = api.get(PATH, headers={"If-None-Match": f'"other", {etag}'})
    stale = api.get(PATH, headers={"If-None-Match": '"other"'})

    assert (fresh.status_code, fresh.content, fresh.headers["ETag"]) == (304, b"", etag)
    assert stale.status_code == 200


def test_the_condition_of_the_first_reader_does_not_shape_the_entry(api, builds):
    etag = api.get(PATH).headers["ETag"]
    store.raise_generation("catalog")

    assert api.get(PATH, headers={"If-None-Match": etag}).status_code == 304
    assert api.get(PATH).status_code == 200
    assert len(builds) == 2


def test_addresses_hosts_and_refusals_are_apart(api, builds):
    api.get(PATH)
    api.get(f"{PATH}?q=1")
    api.get(PATH, headers={"Host": "localhost"})
    assert len(builds) == 3

    for _ in range(2):
        assert api.get(f"{PATH}?nonsense=1").status_code == 400


def test_credentials_pass_through(api, api_as, customer, builds):
    api.get(PATH)

    response = api_as(customer).get(PATH)

    assert len(builds) == 2
    assert response.headers["Cache-Control"] == "private, no-store"
    assert api.get(PATH, headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_stampede_builds_once(builds, monkeypatch):
    monkeypatch.setattr(urls.PublicView, "seconds", 0.3)
    barrier = threading.Barrier(20)

    def read(_):
        barrier.wait()
        try:
            return APIClient().get(PATH)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(read, range(20)))

    assert len(builds) == 1
    assert {r.status_code for r in responses} == {200}
    assert len({r.content for r in responses}) == 1


def test_without_single_flight_a_stampede_builds_often(builds, monkeypatch):
    # The control: the test above can fail.
    monkeypatch.setattr(urls.PublicView, "seconds", 0.3)
    monkeypatch.setattr(store.flights, "lead_or_wait", lambda name, build: build())
    barrier = threading.Barrier(5)

    def read(_):
        barrier.wait()
        try:
            return APIClient().get(PATH)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(read, range(5)))

    assert len(builds) == 5


def test_a_failed_build_lets_the_others_build(builds, monkeypatch):
    flights = store.Flights()
    started = threading.Event()

    def fail():
        started.set()
        threading.Event().wait(0.2)
        raise RuntimeError("broken")

    def lead():
        with pytest.raises(RuntimeError):
            flights.lead_or_wait(("n", 1, "k"), fail)

    leader = threading.Thread(target=lead)
    leader.start()
    started.wait()

    assert flights.lead_or_wait(("n", 1, "k"), lambda: None) is None
    leader.join()


@pytest.fixture
def no_valkey(settings):
    # A port where nothing listens.
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


def test_without_valkey_reads_are_built(api, builds, no_valkey):
    responses = [api.get(PATH) for _ in range(3)]

    assert [r.status_code for r in responses] == [200, 200, 200]
    assert len(builds) == 3
    assert responses[0].headers["Cache-Control"] == PUBLIC


def test_without_valkey_one_request_a_second_finds_out(api, no_valkey):
    api.get(PATH)
    store.breaker.drain()
    for _ in range(20):
        api.get(PATH)

    counted = store.breaker.drain()
    assert counted["refused"] + counted.get("failed", 0) == 20
    assert counted.get("failed", 0) <= 2


def test_without_valkey_a_change_goes_through_and_is_seen(api, no_valkey):
    api.get(PATH)

    add_group("g-1")

    assert names(api.get(PATH)) == ["g-1"]


def test_a_generation_missed_is_raised_when_valkey_is_back(api, settings, builds):
    url = settings.REDIS_URL
    api.get(PATH)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    add_group("g-1")

    settings.REDIS_URL = url
    end_the_rest()

    assert names(api.get(PATH)) == ["g-1"]


# What was known last, while nobody can tell what is


LATE = OperationalError()
LATE.__cause__ = QueryCanceled()


@pytest.fixture
def known(api, bytes_cache):
    """Have an answer that a change has outdated since."""
    response = api.get(PATH)
    add_group("g-since")
    return response


@pytest.mark.parametrize("failure", [OperationalError(), InterfaceError(), LATE])
def test_with_the_database_out_the_last_answer_is_told_with_its_age(
    api, known, monkeypatch, failure
):
    before = totals().get("stale|catalog", 0)
    monkeypatch.setattr(urls.PublicView, "failure", failure)

    response = api.get(PATH)

    assert (response.status_code, response.content) == (200, known.content)
    assert 0 <= int(response.headers["Age"]) < 60
    assert response.headers["Cache-Control"] == PUBLIC
    assert response.headers["ETag"] == known.headers["ETag"]
    assert "Warning" not in response.headers
    assert totals()["stale|catalog"] == before + 1
    monkeypatch.setattr(urls.PublicView, "failure", None)
    back = api.get(PATH)
    assert (names(back), back.headers.get("Age")) == (["g-since"], None)


@pytest.mark.parametrize(
    ("failure", "status"), [(Http404(), 404), (PermissionDenied(), 403)]
)
def test_what_is_found_out_is_told_and_what_was_known_forgotten(
    api, known, monkeypatch, failure, status
):
    monkeypatch.setattr(urls.PublicView, "failure", failure)
    found_out = api.get(PATH)
    monkeypatch.setattr(urls.PublicView, "failure", OperationalError())
    later = api.get(PATH)

    # Nor is it told again what has been withdrawn.
    assert (found_out.status_code, later.status_code) == (status, 503)


def test_with_the_database_out_what_was_never_known_is_refused(api, known, monkeypatch):
    monkeypatch.setattr(urls.PublicView, "failure", OperationalError())

    assert api.get(f"{PATH}?q=never").status_code == 503


@pytest.mark.usefixtures("known")
def test_who_signs_in_is_told_nothing_old(api_as, customer, monkeypatch):
    client = api_as(customer)
    monkeypatch.setattr(urls.PublicView, "failure", OperationalError())

    assert client.get(PATH).status_code == 503


@pytest.mark.usefixtures("known")
def test_with_valkey_out_as_well_the_last_answer_is_told(api, monkeypatch, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(urls.PublicView, "failure", OperationalError())

    response = api.get(PATH)

    assert (response.status_code, "Age" in response.headers) == (200, True)


@pytest.mark.usefixtures("known")
def test_while_the_outage_rests_the_last_answer_is_told_without_a_try(
    api, builds, monkeypatch
):
    builds.clear()
    monkeypatch.setattr("core.postgresql.outage.REST_SECONDS", 60)
    outage.go_on()

    answers = [api.get(PATH) for _ in range(3)]

    assert ["Age" in answer.headers for answer in answers] == [True] * 3
    assert builds == []
    # What isn't known is looked for all the same; and the database, which answers, is back.
    assert api.get(f"{PATH}?q=new").status_code == 200
    assert names(api.get(PATH)) == ["g-since"]


@pytest.mark.usefixtures("known")
def test_after_the_rest_a_read_finds_out_that_the_database_is_back(api, monkeypatch):
    monkeypatch.setattr("core.postgresql.outage.REST_SECONDS", 0)
    outage.go_on()

    response = api.get(PATH)

    assert (names(response), response.headers.get("Age")) == (["g-since"], None)


def test_what_is_current_is_told_as_such_in_an_outage(api, monkeypatch):
    api.get(PATH)
    monkeypatch.setattr("core.postgresql.outage.REST_SECONDS", 60)
    outage.go_on()

    assert "Age" not in api.get(PATH).headers


def test_who_has_the_last_answer_gets_304_and_its_age(api, known, monkeypatch):
    monkeypatch.setattr(urls.PublicView, "failure", OperationalError())

    response = api.get(PATH, headers={"If-None-Match": known.headers["ETag"]})

    assert (response.status_code, "Age" in response.headers) == (304, True)


@pytest.mark.parametrize(
    ("age", "is_found", "is_told"),
    [(59, True, True), (61, False, True), (3601, False, False)],
)
def test_what_is_known_is_found_for_a_minute_and_told_for_an_hour(
    age, is_found, is_told
):
    memory = store.Memory()
    entry = store.Entry(b"x", {}, time.monotonic() - age)
    memory.put("catalog", 1, "k", entry)

    assert memory.get("catalog", 1, "k") is (entry if is_found else None)
    assert memory.last("catalog", "k") is (entry if is_told else None)


def test_how_long_it_is_told_is_a_setting(settings, api, known, monkeypatch):
    settings.BYTES_CACHE_STALE_SECONDS = 0
    monkeypatch.setattr(urls.PublicView, "failure", OperationalError())

    assert api.get(PATH).status_code == 503


def test_what_is_outdated_makes_room_first(settings):
    settings.BYTES_CACHE_MAX_BYTES = 7000
    memory = store.Memory()
    for generation in (1, 2):
        for name in "ab":
            entry = store.Entry(b"x" * 1000, {})
            memory.put("catalog", generation, f"{name}{generation}", entry)
    assert memory.last("catalog", "a1") is None
    assert memory.last("catalog", "b1") is not None
    memory.put("catalog", 2, "c2", store.Entry(b"x" * 1000, {}))

    kept = [memory.get("catalog", 2, f"{name}2") is not None for name in "abc"]
    assert kept == [True] * 3
    assert memory.last("catalog", "b1") is None
    assert memory.size <= 7000


def test_a_change_forgets_nothing_twice():
    memory = store.Memory()
    for generation in range(1, 100):
        memory.put("catalog", generation, "k", store.Entry(b"x" * 1000, {}))
    size = memory.size
    memory.clear("catalog")

    assert memory.size == size < 2100
    assert memory.get("catalog", 99, "k") is None


def test_the_age_counts_from_when_the_answer_was_made(api, monkeypatch):
    begun = time.monotonic()
    api.get(f"{PATH}?q=aging")
    store.raise_generation("catalog")
    monkeypatch.setattr(urls.PublicView, "failure", OperationalError())
    time.sleep(1.1)

    ages = [api.get(f"{PATH}?q=aging").headers["Age"] for _ in range(2)]

    assert all(age.isdecimal() for age in ages)
    assert 1 <= int(ages[0]) <= int(ages[1]) <= time.monotonic() - begun


def test_the_shared_copy_keeps_its_age():
    entry = store.Entry(b"x", {}, time.monotonic() - 30)

    found = store.unpack(entry.pack(1, "k"), 1, "k")

    assert found.age_seconds == pytest.approx(30, abs=1)


def test_memory_is_bounded(settings):
    settings.BYTES_CACHE_MAX_BYTES = 10_000
    memory = store.Memory()
    entry = store.Entry(b"x" * 1000, {})

    for number in range(100):
        memory.put("catalog", 1, str(number), entry)

    assert memory.size <= 10_000
    assert memory.get("catalog", 1, "99") is entry
    assert memory.get("catalog", 1, "0") is None


def test_entries_of_another_generation_are_never_found():
    memory = store.Memory()
    entry = store.Entry(b"x", {})
    memory.put("catalog", 1, "k", entry)

    assert memory.get("catalog", 2, "k") is None
    memory.put("catalog", 2, "other", entry)
    assert memory.get("catalog", 2, "k") is None


def test_a_slot_of_another_address_is_not_taken(api):
    packed = store.Entry(b"x", {"ETag": '"1"'}).pack(1, "a")

    assert store.unpack(packed, 1, "a").content == b"x"
    assert store.unpack(packed, 1, "b") is None
    assert store.unpack(packed, 2, "a") is None
