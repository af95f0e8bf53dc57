"""What the gate did can be read at /metrics, of all processes together."""

import pytest
from prometheus_client import generate_latest

from config.sizes import WebSizes
from core.metrics import registry
from core.protection import gauges, shedding, shedding_metrics
from core.protection.counters import counters
from core.protection.tally import Reason, Tally


@pytest.fixture
def gate(limits, settings):
    settings.WEB_SIZES = WebSizes(2)
    shedding.gate.cache_clear()
    yield shedding.gate()
    shedding.gate.cache_clear()


def scrape():
    found = {}
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith("shopwright_load_shedding_"):
            name, _, value = line.removeprefix("shopwright_load_shedding_").partition(
                " "
            )
            found[name] = float(value)
    return found


def test_what_the_gate_did_is_told(gate):
    gate.enter(priority=10, rank=10.0)
    gate.enter(priority=10, rank=10.0)
    gate.enter(priority=50, rank=50.0, seconds=0.01)
    gate.only_looks = True
    gate.enter(priority=90, rank=90.0, seconds=-1.0)

    shedding_metrics.hand_in()
    counters.flush()
    told = scrape()

    assert (
        told['shed_total{enforced="true",priority="50",reason="waited_too_long"}'] == 1
    )
    assert told['shed_total{enforced="false",priority="90",reason="deadline"}'] == 1
    assert told["limit"] == 2
    assert told["inflight"] == 3
    assert told["queue_depth"] == 0
    assert told["strictness"] == 0
    assert {"load", "min_latency_seconds", "sample_latency_seconds"} <= set(told)


def test_waits_are_a_histogram(gate):
    tally = Tally()
    tally.waits.update({0: 2, 4: 1, -1: 1})
    tally.wait_seconds = 0.75
    gate.admission.tally = tally

    shedding_metrics.hand_in()
    told = scrape()

    assert told['queue_wait_seconds_bucket{le="0.001"}'] == 2
    assert told['queue_wait_seconds_bucket{le="0.025"}'] == 2
    assert told['queue_wait_seconds_bucket{le="0.05"}'] == 3
    assert told['queue_wait_seconds_bucket{le="0.5"}'] == 3
    assert told['queue_wait_seconds_bucket{le="+Inf"}'] == 4
    assert told["queue_wait_seconds_sum"] == pytest.approx(0.75)


def test_what_was_told_is_not_told_again(gate):
    gate.admission.tally.shed[50, Reason.PRIORITY] = 1

    for _ in range(2):
        shedding_metrics.hand_in()

    name = 'shed_total{enforced="true",priority="50",reason="priority"}'
    assert scrape()[name] == 1


def test_a_process_without_a_gate_tells_nothing():
    shedding.gate.cache_clear()

    shedding_metrics.hand_in()

    assert shedding.gate_in_use() is None
    own = gauges.own_values()
    assert own["load_shedding_limit"] == {}
