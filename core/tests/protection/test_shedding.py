"""What a client sees of load shedding, and what a request is to the gate."""

import json
import math
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory

from config.sizes import WebSizes
from core.protection import shedding
from core.protection.admission import Admission, Waiter
from core.protection.concurrency import FixedLimit
from core.protection.deadlines import deadline
from core.protection.gate import ThreadGate
from core.protection.load_signs import LoadSigns, pool_load, pressure_load
from core.protection.marks import FROM_CACHE
from core.protection.middleware import LoadSheddingMiddleware
from core.protection.principals import Principal
from core.protection.priorities import Priority
from core.protection.tally import Reason


@pytest.fixture
def gate(settings, monkeypatch):
    """A gate that lets in one at a time, for the middleware to use."""
    settings.LOAD_SHEDDING_MODE = "enforce"
    settings.TRUSTED_PROXY_HOPS = 1
    gate = ThreadGate(Admission(FixedLimit(1), places=0), most_aside=1)
    monkeypatch.setattr(shedding, "gate", lambda: gate)
    return gate


def get(path="/api/v1/products", view=lambda request: HttpResponse(), **headers):
    return LoadSheddingMiddleware(view)(RequestFactory().get(path, headers=headers))


def fill(gate):
    return gate.enter(priority=0, rank=0.0)


def test_an_admitted_request_says_where_its_time_went(gate):
    response = get()

    assert response.status_code == 200
    names = [part.partition(";dur=") for part in response["Server-Timing"].split(", ")]
    assert [name for name, _, _ in names] == ["queue", "app"]
    assert all(float(value) >= 0 for _, _, value in names)
    assert gate.admission.inflight == 0


def test_a_refusal_is_a_problem_that_says_when_to_come_again(gate):
    fill(gate)

    response = get()

    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    problem = json.loads(response.content)
    assert problem["code"] == "temporary_reduced_capacity"
    assert problem["type"].endswith("/problems/temporary-reduced-capacity")
    assert 2 <= int(response["Retry-After"]) <= 10
    assert gate.admission.tally.shed == {(50, Reason.QUEUE_FULL): 1}


def test_the_less_important_are_told_to_come_later():
    def times(rank):
        waiter = Waiter(50, rank, 0.0, math.inf)
        return [shedding.refusal(waiter).retry_after for _ in range(300)]

    first, last = times(0.0), times(100.0)
    assert (min(first), max(first)) == (2, 5)
    assert (min(last), max(last)) == (7, 10)


def test_a_view_that_fails_leaves_too(gate):
    def broken(request):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        get(view=broken)

    assert gate.admission.inflight == 0


def test_no_longer_than_the_deadline_does_a_request_wait(gate):
    gate.admission._places = 9  # noqa: SLF001 -- there is room to wait
    fill(gate)

    with deadline(0.02):
        response = get()

    assert response.status_code == 503
    assert gate.admission.tally.shed == {(50, Reason.WAITED_TOO_LONG): 1}


def test_past_its_deadline_a_request_does_not_wait_at_all(gate):
    with deadline(0.0):
        assert get().status_code == 503

    assert gate.admission.tally.shed == {(50, Reason.DEADLINE): 1}


def test_log_only_refuses_nobody_and_counts(gate, settings):
    settings.LOAD_SHEDDING_MODE = "log_only"
    for _ in range(2):
        fill(gate)

    assert get().status_code == 200
    assert gate.admission.tally.would_shed == {(50, Reason.QUEUE_FULL): 1}


def test_off_asks_nobody(gate, settings):
    settings.LOAD_SHEDDING_MODE = "off"
    fill(gate)

    response = get()

    assert response.status_code == 200
    assert "Server-Timing" not in response
    assert gate.admission.tally.admitted == {0: 1}


def test_a_view_may_step_aside(gate):
    def view(request):
        with shedding.stepping_aside():
            return HttpResponse(str(gate.admission.inflight))

    assert get(view=view).content == b"0"
    assert gate.admission.inflight == 0


def test_stepping_aside_outside_a_request_does_nothing():
    with shedding.stepping_aside():
        pass


# Rank


@pytest.fixture
def caller(settings, monkeypatch):
    """Say who calls; by default a visitor from an address of the request's choice."""
    principals = {}

    def resolve(request):
        return principals.get("is")

    monkeypatch.setattr("core.protection.principals._resolvers", lambda _: (resolve,))
    settings.TRUSTED_PROXY_HOPS = 1
    return principals


def ranks(level=50, width=20, *, count=200):
    factory = RequestFactory()
    return [
        shedding.ranked(
            Priority(level, width),
            factory.get("/", headers={"X-Forwarded-For": f"203.0.113.{n}"}),
        )[1]
        for n in range(count)
    ]


def test_callers_are_spread_over_their_class(caller):
    found = ranks()

    assert min(found) >= 50
    assert max(found) < 70
    quarters = [
        sum(50 + 5 * n <= rank < 55 + 5 * n for rank in found) for n in range(4)
    ]
    assert min(quarters) > 30


def test_a_caller_keeps_his_place(caller):
    assert ranks() == ranks()


def test_a_place_lasts_for_an_hour(caller, monkeypatch):
    monkeypatch.setattr(shedding.time, "time", lambda: 7200.0)
    now = ranks()
    monkeypatch.setattr(shedding.time, "time", lambda: 10799.9)
    assert ranks() == now
    monkeypatch.setattr(shedding.time, "time", lambda: 10800.0)
    assert ranks() != now


def test_a_class_without_width_is_not_spread(caller):
    assert set(ranks(30, 0)) == {30.0}


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0, 0), (10, 10), (20, 20), (30, 20), (50, 20), (70, 70), (90, 90)],
)
def test_staff_go_first_but_for_what_can_wait(caller, level, expected):
    caller["is"] = Principal("user", "7", "staff")

    found, rank = shedding.ranked(Priority(level, 10), RequestFactory().get("/"))

    assert found == expected
    assert expected <= rank < expected + 10


def test_who_calls_is_asked_only_under_load(gate, caller, monkeypatch):
    asked = []
    monkeypatch.setattr(shedding, "ranked", lambda *args: asked.append(1) or (50, 50.0))

    get()
    assert asked == []
    fill(gate)
    get()
    assert asked == [1]


# What is learned


@pytest.mark.parametrize(
    ("status", "meta", "route"),
    [
        (200, {}, "GET api/v1/products"),
        (304, {}, "GET api/v1/products"),
        (200, {FROM_CACHE: True}, "GET api/v1/products cached"),
        (404, {}, None),
        (500, {}, None),
    ],
)
def test_only_work_is_learned_from(status, meta, route):
    request = RequestFactory().get("/api/v1/products")
    request.resolver_match = SimpleNamespace(route="api/v1/products")
    request.META |= meta

    response = HttpResponse(status=status)

    assert shedding.route_to_learn_from(request, response) == route


def test_what_no_route_was_found_for_is_not_learned_from():
    request = RequestFactory().get("/nowhere")
    request.user = AnonymousUser()

    assert shedding.route_to_learn_from(request, HttpResponse()) is None


# Signs of load


@pytest.mark.parametrize(
    ("stats", "load"),
    [
        ({}, 0.0),
        ({"pool_max": 10, "pool_size": 4, "pool_available": 4}, 0.0),
        ({"pool_max": 10, "pool_size": 8, "pool_available": 3}, 0.2),
        ({"pool_max": 10, "pool_size": 10, "pool_available": 0}, 0.4),
        ({"pool_max": 10, "pool_size": 10, "requests_waiting": 1}, 1.0),
    ],
)
def test_a_pool_is_judged(stats, load):
    assert pool_load(stats) == load


@pytest.mark.parametrize(
    ("text", "load"),
    [
        ("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.0", 0.0),
        ("some avg10=70.00 avg60=60.40 avg300=37.29 total=5654955580", 0.28),
        ("some avg10=100.00 avg60=1", 0.4),
        ("", 0.0),
        ("nonsense", 0.0),
    ],
)
def test_the_processors_pressure_is_judged(text, load):
    assert pressure_load(text) == pytest.approx(load)


def test_signs_are_looked_at_now_and_then(tmp_path):
    pressure = tmp_path / "cpu"
    pressure.write_text("some avg10=20.00")
    now = [100.0]
    pool = SimpleNamespace(looks=0)

    def get_stats():
        pool.looks += 1
        return {"pool_max": 10, "pool_size": 10}

    pool.get_stats = get_stats
    signs = LoadSigns(pool=pool, pressure=pressure, clock=lambda: now[0])

    assert [signs.load() for _ in range(5)] == [0.4] * 5
    assert pool.looks == 1
    now[0] += 0.1
    signs.load()
    assert pool.looks == 2


def test_a_kernel_that_does_not_tell_is_no_load(tmp_path):
    assert LoadSigns(pressure=tmp_path / "nothing").load() == 0.0


# The gate of a process


def test_the_gate_is_sized_by_settings(settings):
    settings.WEB_SIZES = WebSizes(6)
    settings.DATABASE_POOL_SIZE = 4
    shedding.gate.cache_clear()
    try:
        admission = shedding.gate().admission
        for n in range(400):
            admission.limiter.finished("a", 0.1, inflight=2 + n % 9, now=n / 10)
    finally:
        shedding.gate.cache_clear()

    assert admission.limiter.usual_limit == 4


@pytest.mark.parametrize(
    ("at_once", "threads", "connections", "database"),
    [(2, 10, 128, 8), (8, 36, 512, 20)],
)
def test_all_sizes_follow_from_one(at_once, threads, connections, database):
    sizes = WebSizes(at_once)

    assert sizes.threads == threads
    # Even when everybody is there somebody can say no.
    most = sizes.at_once + sizes.urgent + sizes.places + sizes.aside
    assert sizes.threads > most
    assert sizes.connections == connections
    assert sizes.database_connections == database


@pytest.mark.parametrize("at_once", [2, 3, 8, 17])
def test_as_many_urgent_ones_get_in_as_there_are_threads_for(at_once):
    sizes, admission = WebSizes(at_once), Admission(FixedLimit(at_once))
    for _ in range(4 * at_once):
        admission.arrive(priority=10, rank=10.0, now=0.0)

    assert admission.inflight == sizes.at_once + sizes.urgent


def test_without_shedding_nobody_waits_in_a_thread():
    assert WebSizes(8, is_shedding=False).threads == 8
