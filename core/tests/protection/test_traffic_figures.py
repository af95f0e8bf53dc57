"""What is counted and shown of all processes together."""

import time

import orjson
import pytest
import redis
from django.http import HttpResponse

from core.protection import breaker as breakers_module
from core.protection import counters as counters_module
from core.protection import gauges
from core.protection.breaker import State, breakers, get_breaker, hand_in
from core.protection.counters import (
    HISTORY_SECONDS,
    SLOT_SECONDS,
    Counters,
    counters,
    history,
    totals,
)
from core.protection.gauges import Gauge, combined, of_processes, publish, register
from core.protection.line import Line
from core.protection.middleware import TrafficMiddleware
from core.protection.switches import switchboard


@pytest.fixture(autouse=True)
def _clean(limits, settings, monkeypatch):
    settings.RATE_LIMIT_MODE = "off"
    monkeypatch.setattr(breakers_module, "line", Line(patience_seconds=10))
    monkeypatch.setattr(gauges, "_registered", {})
    switchboard.reset()
    breakers.clear()
    yield
    breakers.clear()
    counters.reset()


@pytest.fixture
def clock(monkeypatch):
    """Time as a list of one, so that a test can turn it."""
    now = [float(int(time.time()) // SLOT_SECONDS * SLOT_SECONDS)]
    monkeypatch.setattr(counters, "_clock", lambda: now[0])
    return now


def slot_of(now):
    return int(now) // SLOT_SECONDS


def test_every_answer_is_counted_by_status_and_priority(api):
    api.get("/api/v1/nothing")
    api.get("/api/v1/nothing")
    api.get("/health/live")

    assert totals() == {"answers|404|none": 2}


def test_refusals_are_counted_too(api, limits, settings):
    settings.RATE_LIMIT_MODE = "enforce"
    limits(quota=1)
    for _ in range(3):
        api.get("/api/v1/nothing")

    counted = totals()
    assert counted["answers|404|none"] == 1
    assert counted["answers|429|none"] == 2


def test_the_priority_is_what_admission_has_noted(rf):
    def view(request):
        request.META["shopwright.priority"] = 30
        return HttpResponse()

    TrafficMiddleware(view)(rf.get("/"))

    assert totals() == {"answers|200|30": 1}


def test_what_happened_when_is_kept_for_charts(clock):
    first = slot_of(clock[0])
    counters.add("answers|200|10")
    clock[0] += SLOT_SECONDS
    counters.add("answers|200|10", "answers|503|90")
    counters.add_many({"answers|200|10": 4})
    counters.flush()

    assert history(after=first - 2, until=first + 1) == {
        first - 1: {},
        first: {"answers|200|10": 1},
        first + 1: {"answers|200|10": 5, "answers|503|90": 1},
    }
    assert history(after=first, until=first) == {}
    assert totals() == {"answers|200|10": 6, "answers|503|90": 1}


def test_a_slot_is_forgotten_after_a_quarter_of_an_hour(settings, clock):
    counters.add("answers|200|10")
    counters.flush()

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        key = counters_module._slot_key(slot_of(clock[0]))  # noqa: SLF001 -- its life is tested
        assert 0 < client.ttl(key) <= HISTORY_SECONDS


def test_with_valkey_out_counts_wait_and_old_ones_lose_only_their_time(
    clock, monkeypatch, settings
):
    lost = Line()
    good, url = counters_module.line, settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(counters_module, "line", lost)
    first = slot_of(clock[0])
    counters.add("answers|200|10")
    counters.flush()
    clock[0] += HISTORY_SECONDS
    counters.add("answers|200|10")
    counters.flush()
    assert (totals(), history(after=0, until=1)) == ({}, {})
    assert sorted(counters._counts) == [0, slot_of(clock[0])]  # noqa: SLF001 -- its size is tested

    settings.REDIS_URL = url
    monkeypatch.setattr(counters_module, "line", good)

    assert totals() == {"answers|200|10": 2}
    assert history(after=first - 1, until=first) == {first: {}}


def test_several_processes_add_up():
    one, two = Counters(), Counters()
    one.add("fallback")
    two.add("fallback")
    one.flush()
    two.flush()

    assert totals()["fallback"] == 2


@pytest.fixture
def as_process(monkeypatch):
    def become(name):
        monkeypatch.setattr(gauges, "_process", lambda: name)

    return become


def test_gauges_are_summed_or_maxed_over_processes(as_process):
    values = {"": 3.0}
    register(Gauge("inflight", "x", lambda: values))
    register(Gauge("wait", "x", lambda: values, is_most=True))
    register(Gauge("state", "x", lambda: {"mail|open": 1}, ("breaker", "state")))
    as_process("one")
    publish()
    values[""] = 5.0
    as_process("two")

    assert combined() == {
        "inflight": {"": 8},
        "wait": {"": 5},
        "state": {"mail|open": 2},
    }
    assert set(of_processes()) == {"one", "two"}


def test_a_process_that_is_gone_is_forgotten(as_process, settings):
    register(Gauge("inflight", "x", lambda: {"": 1}))
    as_process("one")
    publish()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        key = gauges._key()  # noqa: SLF001 -- its content is tested
        old = orjson.dumps([time.time() - 16, {"inflight": {"": 1}}])
        client.hset(key, "gone", old)
        as_process("two")

        assert set(of_processes()) == {"one", "two"}
        assert client.hkeys(key) == [b"one"]


def test_without_valkey_a_process_knows_its_own(monkeypatch, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(gauges, "line", Line())
    register(Gauge("inflight", "x", lambda: {"": 1}))

    publish()

    assert combined() == {"inflight": {"": 1}}


def test_metrics_show_gauges_blocks_and_whether_valkey_answers(api):
    register(Gauge("inflight", "Requests running.", lambda: {"": 2}))
    register(Gauge("state", "x", lambda: {"mail|open": 1}, ("breaker", "state")))

    shown = api.get("/metrics").content.decode().splitlines()

    assert "shopwright_inflight 2.0" in shown
    assert 'shopwright_state{breaker="mail",state="open"} 1.0' in shown
    assert "shopwright_rate_limit_active_blocks 0.0" in shown
    assert "shopwright_valkey_out 0.0" in shown


def test_breakers_hand_in_what_they_did(settings):
    settings.BREAKER_MODE = "enforce"
    breaker = get_breaker("mail.send")
    for _ in range(10):
        with breaker.calling() as call:
            call.fail()

    hand_in()
    hand_in()

    assert {n: c for n, c in totals().items() if "mail.send" in n} == {
        "breaker_calls|mail.send|failed": 10,
        "breaker_changes|mail.send|open": 1,
    }
    breaker.move(State.CLOSED)


def test_an_idle_breaker_follows_its_control_all_the_same(settings):
    settings.BREAKER_MODE = "enforce"
    breaker = get_breaker("mail.send")
    settings.BREAKER_MODE = "log_only"

    hand_in()

    assert breaker.state is State.METRICS_ONLY
