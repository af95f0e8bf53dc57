"""Nothing is lost and nothing doubled, wherever a process dies or however many run."""

import random
import signal
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from core import events, outbox
from core.events import Delivered, publish, subscribe
from core.models import (
    AuditEntry,
    OutboxDelivery,
    OutboxDeliveryQuerySet,
    OutboxEvent,
)
from core.tests.lamps import LampLit
from core.tests.processes import running, wait_until, worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    """Only the sweep brings work: the nudges are lost."""
    monkeypatch.setattr(outbox, "enqueue", lambda *_, **__: False)
    monkeypatch.setattr(events, "nudge_relay", lambda: None)


def sweep():
    """Do what beat and a worker do in the next minutes."""
    now = timezone.now()
    for _ in range(4):
        now += outbox.TELL_AGAIN_AFTER
        for delivery_id in outbox.relay_pending(now=now):
            outbox.deliver(delivery_id, now=now)


def brightnesses():
    return [entry.after["brightness"] for entry in AuditEntry.objects.order_by("pk")]


@pytest.mark.parametrize(
    ("step", "done_before", "done_at_last"),
    [
        ("published", [], []),
        ("committed", [], [1, 2]),
        ("dispatched", [], [1, 2]),
        ("relayed", [], [1, 2]),
        ("begun", [], [1, 2]),
        ("handled", [], [1, 2]),
        ("finished", [], [1, 2]),
        ("delivered", [1], [1, 2]),
    ],
)
def test_a_crash_at_any_step_loses_and_doubles_nothing(step, done_before, done_at_last):
    with running("-m", "core.tests.crashing", step) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, output.decode()
    assert brightnesses() == done_before

    sweep()

    assert brightnesses() == done_at_last
    assert OutboxEvent.objects.count() == len(done_at_last)
    assert outbox.lag(now=timezone.now()) == outbox.Lag(0.0, 0, 0, 0)


@pytest.fixture
def light_log(monkeypatch):
    """Have a slow handler and bring back what it saw, by aggregate."""
    log = defaultdict(list)
    monkeypatch.setitem(events._subscriptions, LampLit.name, {})  # noqa: SLF001 -- undone after the test

    @subscribe(LampLit)
    def note_slowly(delivered: Delivered) -> None:
        time.sleep(random.uniform(0, 0.01))  # noqa: S311 -- stirs the order
        log[delivered.payload["lamp_id"]].append(delivered.payload["brightness"])

    return log


def publish_lights(*, lamps, each, seconds=0.0):
    with transaction.atomic():
        for brightness in range(each):
            for lamp_id in range(lamps):
                publish(LampLit(str(lamp_id), brightness, seconds))


def deliver_in_four_threads():
    """Deliver everything pending, in any order and more than once, from four threads."""

    def work(seed):
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                pending = list(
                    OutboxDelivery.objects.pending().values_list("pk", flat=True)
                )
                if not pending:
                    return
                random.Random(seed).shuffle(pending)  # noqa: S311 -- stirs the order
                for delivery_id in pending:
                    outbox.deliver(delivery_id, now=timezone.now())
        finally:
            connection.close()

    outbox.relay_pending(now=timezone.now())
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))


def test_four_deliverers_keep_the_order_of_each_aggregate(light_log):
    publish_lights(lamps=4, each=8)

    deliver_in_four_threads()

    assert light_log == {str(lamp_id): list(range(8)) for lamp_id in range(4)}


def test_the_order_is_lost_without_looking_for_earlier_ones(light_log, monkeypatch):
    monkeypatch.setattr(OutboxDeliveryQuerySet, "unblocked", lambda self: self.all())
    publish_lights(lamps=4, each=8)

    deliver_in_four_threads()

    assert sorted(light_log["0"]) == list(range(8))
    assert light_log != {str(lamp_id): list(range(8)) for lamp_id in range(4)}


def deliver_one_from_four_threads():
    """Bring back how often a slow handler ran for one delivery."""
    runs = []
    barrier = Barrier(4)

    @subscribe(LampLit)
    def run_slowly(delivered: Delivered) -> None:
        runs.append(delivered.event_id)
        time.sleep(0.2)

    with transaction.atomic():
        publish(LampLit("a"))
    [delivery_id] = outbox.relay_pending(now=timezone.now())

    def work(_):
        try:
            barrier.wait(timeout=10)
            outbox.deliver(delivery_id, now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    return len(runs)


def test_one_delivery_told_to_four_workers_runs_once(light_log, monkeypatch):
    monkeypatch.setitem(events._subscriptions, LampLit.name, {})  # noqa: SLF001 -- undone after the test

    assert deliver_one_from_four_threads() == 1


def test_one_delivery_runs_more_than_once_without_the_row_lock(light_log, monkeypatch):
    monkeypatch.setitem(events._subscriptions, LampLit.name, {})  # noqa: SLF001 -- undone after the test
    monkeypatch.setattr(
        OutboxDeliveryQuerySet, "select_for_update", lambda self, **_: self.all()
    )
    # The window between reading and claiming, made wide enough to be hit.
    lease = outbox._lease  # noqa: SLF001 -- to die inside
    monkeypatch.setattr(outbox, "_lease", lambda one: (time.sleep(0.1), lease(one))[1])

    assert deliver_one_from_four_threads() > 1


def relay_beside_a_relay_that_hangs():
    """Publish two events, hold the first as another relay would, and relay."""
    for lamp_id in "ab":
        with transaction.atomic():
            publish(LampLit(lamp_id))
    held = OutboxEvent.objects.order_by("sequence")[:1]
    ready, done = Barrier(2), Barrier(2)

    def hang():
        with transaction.atomic():
            list(held.select_for_update())
            ready.wait(timeout=10)
            done.wait(timeout=10)
        connection.close()

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(hang)
        ready.wait(timeout=10)
        try:
            with transaction.atomic():
                connection.cursor().execute("SET LOCAL lock_timeout = '300ms'")
                outbox.relay_pending(now=timezone.now())
        finally:
            done.wait(timeout=10)
        other.result()


def test_relay_passes_by_what_another_relay_holds():
    relay_beside_a_relay_that_hangs()

    dispatched = OutboxEvent.objects.exclude(dispatched_at=None)
    assert dispatched.get().aggregate_id == "b"


def test_relay_waits_for_another_without_skip_locked(monkeypatch):
    lock = OutboxDeliveryQuerySet.__mro__[1].select_for_update
    monkeypatch.setattr(
        OutboxDeliveryQuerySet.__mro__[1],
        "select_for_update",
        lambda self, **_: lock(self),
    )

    with pytest.raises(OperationalError, match="lock timeout"):
        relay_beside_a_relay_that_hangs()


@pytest.mark.slow
def test_workers_killed_again_and_again_lose_and_double_nothing(monkeypatch):
    monkeypatch.undo()
    lamps, each = 5, 8
    publish_lights(lamps=lamps, each=each, seconds=0.1)

    def has_done(number):
        outbox.relay_pending(now=timezone.now())
        return AuditEntry.objects.count() >= number

    for number in (5, 12, 20):
        # Killed in the midst of work, since each handler takes a tenth of a second.
        with worker("--concurrency", "2", include="core.tests.lamps"):
            wait_until(partial(has_done, number), seconds=60)
    # What a dead worker held comes back by the sweep, not by the broker.
    OutboxDelivery.objects.pending().update(enqueued_at=None)
    with worker("--concurrency", "2", include="core.tests.lamps"):
        wait_until(partial(has_done, lamps * each), seconds=60)

    seen = defaultdict(list)
    for entry in AuditEntry.objects.order_by("pk"):
        seen[entry.subject_id].append(entry.after["brightness"])
    assert seen == {str(lamp_id): list(range(each)) for lamp_id in range(lamps)}
    assert OutboxDelivery.objects.filter(attempts__gt=1).exists()
