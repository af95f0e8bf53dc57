"""Threads at the gate: nobody is lost, nobody gets in twice, and nobody waits for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.protection.admission import Admission
from core.protection.concurrency import FixedLimit
from core.protection.gate import OpenGate, ThreadGate
from core.protection.tally import Reason
from core.tests.processes import wait_until


@pytest.fixture
def gate():
    return ThreadGate(Admission(FixedLimit(1)))


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_a_thread_waits_until_another_leaves(gate, pool):
    inside = gate.enter(priority=50, rank=50.0)
    waiting = pool.submit(gate.enter, priority=50, rank=50.0)
    wait_until(lambda: gate.admission.queued == 1)

    gate.leave(inside, route=None)

    assert waiting.result(5).is_admitted
    assert gate.admission.inflight == 1


def test_a_thread_waits_no_longer_than_its_deadline(gate):
    gate.enter(priority=50, rank=50.0)

    waiter = gate.enter(priority=50, rank=50.0, seconds=0.01)

    assert waiter.reason is Reason.WAITED_TOO_LONG
    assert (gate.admission.inflight, gate.admission.queued) == (1, 0)


def test_a_thread_that_has_to_make_room_goes_at_once(gate, pool):
    inside = gate.enter(priority=50, rank=50.0)
    waiting = [pool.submit(gate.enter, priority=90, rank=90.0) for _ in range(2)]
    wait_until(lambda: gate.admission.queued == 2)

    more = pool.submit(gate.enter, priority=10, rank=10.0)

    wait_until(lambda: any(waiter.done() for waiter in waiting))
    gone = next(waiter for waiter in waiting if waiter.done()).result()
    assert gone.reason is Reason.PRIORITY
    gate.leave(inside, route=None)
    assert more.result(5).is_admitted


def rush(gate, threads=16, rounds=200):
    """Send threads through for a while; return the most that were inside, and outcomes."""
    inside, most, lock = 0, 0, threading.Lock()
    outcomes = {"in": 0, "out": 0}

    def go():
        nonlocal inside, most
        for _ in range(rounds):
            waiter = gate.enter(priority=50, rank=50.0)
            if not waiter.is_admitted:
                with lock:
                    outcomes["out"] += 1
                continue
            with lock:
                inside += 1
                most = max(most, inside)
                outcomes["in"] += 1
            time.sleep(0)
            with lock:
                inside -= 1
            gate.leave(waiter, route=None)

    workers = [threading.Thread(target=go) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    return most, outcomes


def test_never_more_threads_are_inside_than_the_limit():
    gate = ThreadGate(Admission(FixedLimit(3)))

    most, outcomes = rush(gate)

    assert most <= 3
    assert sum(outcomes.values()) == 16 * 200
    assert outcomes["in"] > 0
    assert (gate.admission.inflight, gate.admission.queued) == (0, 0)
    assert gate.admission.tally.admitted[50] == outcomes["in"]
    assert sum(gate.admission.tally.shed.values()) == outcomes["out"]


def test_an_open_gate_would_have_let_in_more():
    # The control of the test above.
    most, outcomes = rush(OpenGate())

    assert most > 3
    assert outcomes["out"] == 0


def test_looking_only_refuses_nobody():
    gate = ThreadGate(Admission(FixedLimit(1)), only_looks=True)

    waiters = [gate.enter(priority=50, rank=50.0) for _ in range(9)]

    assert all(waiter.is_admitted for waiter in waiters)
    assert gate.admission.tally.would_shed == {(50, Reason.QUEUE_FULL): 6}
    for waiter in waiters:
        gate.leave(waiter, route=None)
    assert gate.admission.inflight == 0


def test_who_waits_for_others_gives_its_place_to_the_next(pool):
    gate = ThreadGate(Admission(FixedLimit(1)), most_aside=1)
    inside = gate.enter(priority=50, rank=50.0)
    waiting = pool.submit(gate.enter, priority=50, rank=50.0)
    wait_until(lambda: gate.admission.queued == 1)

    with gate.stepping_aside(inside):
        assert waiting.result(5).is_admitted
        # One may at a time, so the second keeps its place.
        with gate.stepping_aside(waiting.result()):
            assert gate.admission.inflight == 1

    assert (gate.admission.inflight, gate.admission.aside) == (2, 0)


def test_a_failure_aside_takes_the_place_back():
    gate = ThreadGate(Admission(FixedLimit(1)), most_aside=1)
    inside = gate.enter(priority=50, rank=50.0)

    with pytest.raises(ZeroDivisionError), gate.stepping_aside(inside):
        gate.admission.inflight / 0

    assert (gate.admission.inflight, gate.admission.aside) == (1, 0)


def test_the_tally_is_taken_once(gate):
    gate.enter(priority=50, rank=50.0)

    assert gate.take_tally().admitted == {50: 1}
    assert gate.take_tally().admitted == {}
