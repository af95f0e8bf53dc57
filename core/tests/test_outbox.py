from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core import events, outbox
from core.events import Delivered, publish, subscribe
from core.models import AuditEntry, OutboxDelivery, OutboxEvent
from core.tests.delivery import deliver_all
from core.tests.lamps import LampLit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_subscriptions(monkeypatch):
    monkeypatch.setitem(events._subscriptions, LampLit.name, {})  # noqa: SLF001 -- undone after the test


@pytest.fixture
def seen():
    """Bring back the brightness of every event, in the order of its delivery."""
    found = []

    @subscribe(LampLit)
    def note(delivered: Delivered) -> None:
        found.append(delivered.payload["brightness"])

    return found


@transaction.atomic
def publish_and_fail():
    publish(LampLit("a"))
    raise ZeroDivisionError


def failing(event):
    @subscribe(event)
    def fail(delivered: Delivered) -> None:
        AuditEntry.objects.create(subject_type="lamp", subject_id="1", action="lit")
        if delivered.payload["brightness"] == 1:
            raise ValueError("The bulb is broken.")

    return fail


def test_publish_refuses_to_run_outside_a_transaction(monkeypatch):
    monkeypatch.setattr(transaction.get_connection(), "in_atomic_block", False)

    with pytest.raises(RuntimeError, match="outside a transaction"):
        publish(LampLit("a"))


def test_publish_leaves_nothing_when_the_change_is_rolled_back():
    with pytest.raises(ZeroDivisionError):
        publish_and_fail()

    assert OutboxEvent.objects.count() == 0


def test_publish_nudges_once_per_transaction(
    django_capture_on_commit_callbacks, monkeypatch
):
    nudges = []
    monkeypatch.setattr(events, "nudge_relay", lambda: nudges.append("relay"))

    with django_capture_on_commit_callbacks(execute=True):
        publish(LampLit("a"))
        publish(LampLit("b"))

    assert nudges == ["relay"]


def test_publish_nudges_though_a_savepoint_with_another_event_was_rolled_back(
    django_capture_on_commit_callbacks, monkeypatch
):
    nudges = []
    monkeypatch.setattr(events, "nudge_relay", lambda: nudges.append("relay"))

    with django_capture_on_commit_callbacks(execute=True):
        with pytest.raises(ZeroDivisionError):
            publish_and_fail()
        publish(LampLit("b"))

    assert nudges == ["relay"]


def test_deliver_all_delivers_each_event_once_in_order(seen):
    for brightness in (1, 2, 3):
        publish(LampLit("a", brightness))

    delivered = deliver_all()

    assert (delivered, seen) == (3, [1, 2, 3])
    assert deliver_all() == 0
    assert seen == [1, 2, 3]


def test_relay_marks_an_event_without_subscriber_as_dispatched():
    publish(LampLit("a"))

    outbox.relay_pending(now=timezone.now())

    assert OutboxEvent.objects.get().dispatched_at is not None
    assert OutboxDelivery.objects.count() == 0


def test_relay_makes_one_delivery_per_subscriber(seen):
    failing(LampLit)
    publish(LampLit("a", 2))

    outbox.relay_pending(now=timezone.now())

    handlers = OutboxDelivery.objects.values_list("handler", flat=True)
    assert sorted(handlers) == [f"{__name__}.fail", f"{__name__}.note"]


def test_relay_tells_of_a_delivery_again_when_nothing_came_of_it(seen):
    now = timezone.now()
    publish(LampLit("a"))
    told = outbox.relay_pending(now=now)

    soon = outbox.relay_pending(now=now + timedelta(seconds=5))
    later = outbox.relay_pending(now=now + outbox.TELL_AGAIN_AFTER)

    assert (soon, later) == ([], told)


def test_deliver_refuses_a_delivery_that_is_done(seen):
    publish(LampLit("a"))
    [delivery_id] = outbox.relay_pending(now=timezone.now())
    outbox.deliver(delivery_id, now=timezone.now())

    again = outbox.deliver(delivery_id, now=timezone.now())

    assert (again, seen) == (False, [1])


def test_deliver_refuses_while_an_earlier_one_of_the_aggregate_is_open(seen):
    now = timezone.now()
    publish(LampLit("a", 1))
    publish(LampLit("a", 2))
    publish(LampLit("b", 3))
    outbox.relay_pending(now=now)
    _, second, other = OutboxDelivery.objects.order_by("sequence")

    results = [outbox.deliver(one.pk, now=now) for one in (second, other)]

    assert results == [False, True]
    assert seen == [3]


def test_deliver_refuses_while_an_earlier_event_is_not_dispatched(seen):
    now = timezone.now()
    publish(LampLit("a", 1))
    publish(LampLit("a", 2))
    # As when another relay, which holds the first event, has not committed yet.
    first = OutboxEvent.objects.order_by("sequence")[0]
    OutboxEvent.objects.filter(pk=first.pk).update(dispatched_at=now)
    outbox.relay_pending(now=now)
    OutboxEvent.objects.filter(pk=first.pk).update(dispatched_at=None)

    assert outbox.deliver(OutboxDelivery.objects.get().pk, now=now) is False
    assert seen == []


def test_deliver_undoes_a_failed_handler_and_waits_longer_each_time():
    failing(LampLit)
    publish(LampLit("a"))
    now = timezone.now()
    [delivery_id] = outbox.relay_pending(now=now)
    waits = []

    for _ in range(3):
        outbox.deliver(delivery_id, now=now)
        delivery = OutboxDelivery.objects.get()
        waits.append((delivery.next_attempt_at - now).total_seconds())
        now = delivery.next_attempt_at

    assert delivery.last_error == "ValueError: The bulb is broken."
    assert (delivery.status, delivery.attempts) == ("pending", 3)
    assert [1 <= waits[0] <= 2, 2 <= waits[1] <= 4, 4 <= waits[2] <= 8] == [True] * 3
    assert AuditEntry.objects.count() == 0


def test_deliver_refuses_to_start_before_the_backoff_is_over():
    failing(LampLit)
    publish(LampLit("a"))
    now = timezone.now()
    [delivery_id] = outbox.relay_pending(now=now)
    outbox.deliver(delivery_id, now=now)

    outbox.deliver(delivery_id, now=now + timedelta(milliseconds=500))

    assert OutboxDelivery.objects.get().attempts == 1


def test_deliver_gives_up_after_the_last_attempt_and_lets_later_ones_go_on():
    failing(LampLit)
    publish(LampLit("a", 1))
    publish(LampLit("a", 2))
    now = timezone.now()

    for _ in range(outbox.MAX_ATTEMPTS + 1):
        for delivery_id in outbox.relay_pending(now=now):
            outbox.deliver(delivery_id, now=now)
        now += outbox.LONGEST_RETRY

    first, second = OutboxDelivery.objects.order_by("sequence")
    assert (first.status, first.attempts) == ("dead", outbox.MAX_ATTEMPTS)
    assert (second.status, second.attempts) == ("delivered", 1)
    assert AuditEntry.objects.count() == 1


def test_deliver_buries_what_killed_its_worker_in_each_attempt(seen):
    publish(LampLit("a"))
    now = timezone.now()
    [delivery_id] = outbox.relay_pending(now=now)
    OutboxDelivery.objects.update(attempts=outbox.MAX_ATTEMPTS)

    outbox.deliver(delivery_id, now=now)

    delivery = OutboxDelivery.objects.get()
    assert (delivery.status, seen) == ("dead", [])
    assert delivery.last_error == "The worker was lost in each attempt."


def test_deliver_counts_a_handler_that_this_process_does_not_know_as_failed(
    seen, monkeypatch
):
    publish(LampLit("a"))
    [delivery_id] = outbox.relay_pending(now=timezone.now())
    monkeypatch.setitem(events._subscriptions, LampLit.name, {})  # noqa: SLF001 -- undone after the test

    assert outbox.deliver(delivery_id, now=timezone.now()) is False
    assert OutboxDelivery.objects.get().last_error.startswith("KeyError")


def test_deliver_runs_an_outside_handler_under_a_lease_without_our_transaction():
    savepoints = []

    @subscribe(LampLit, transactional=False)
    def send(delivered: Delivered) -> None:
        savepoints.append(len(transaction.get_connection().savepoint_ids))

    publish(LampLit("a"))
    now = timezone.now()
    [delivery_id] = outbox.relay_pending(now=now)
    before = len(transaction.get_connection().savepoint_ids)

    outbox.deliver(delivery_id, now=now)

    delivery = OutboxDelivery.objects.get()
    assert savepoints == [before]
    assert delivery.status == "delivered"
    assert delivery.next_attempt_at == now + outbox.OUTSIDE_LEASE


def test_deliver_all_fails_the_test_when_a_handler_failed():
    failing(LampLit)
    publish(LampLit("a"))

    with pytest.raises(AssertionError, match="The bulb is broken"):
        deliver_all()


def test_prune_deletes_old_events_that_every_handler_is_done_with(seen):
    now = timezone.now()
    for lamp_id in "abc":
        publish(LampLit(lamp_id))
    deliver_all()
    publish(LampLit("not dispatched"))
    long_ago = now - settings.RETENTION["events"]
    OutboxEvent.objects.exclude(aggregate_id="c").update(occurred_at=long_ago)
    OutboxDelivery.objects.filter(aggregate_id="b").update(status="dead")

    pruned = outbox.prune_delivered(now=now)

    assert pruned == 1
    assert set(OutboxEvent.objects.values_list("aggregate_id", flat=True)) == {
        "b",
        "c",
        "not dispatched",
    }


def test_lag_counts_what_is_behind_and_says_since_when(seen):
    now = timezone.now()
    for lamp_id in "abc":
        publish(LampLit(lamp_id))
    outbox.relay_pending(now=now)
    OutboxDelivery.objects.filter(aggregate_id="b").update(status="dead")
    publish(LampLit("d"))
    OutboxEvent.objects.filter(aggregate_id="a").update(
        occurred_at=now - timedelta(minutes=3)
    )

    assert outbox.lag(now=now) == outbox.Lag(
        oldest_seconds=180.0, undispatched=1, pending=2, dead=1
    )


def test_lag_is_zero_when_all_is_delivered(seen):
    publish(LampLit("a"))
    deliver_all()

    assert outbox.lag(now=timezone.now()) == outbox.Lag(0.0, 0, 0, 0)


def test_retry_dead_gives_the_attempts_back(seen):
    now = timezone.now()
    publish(LampLit("a"))
    outbox.relay_pending(now=now)
    OutboxDelivery.objects.update(status="dead", attempts=outbox.MAX_ATTEMPTS)

    revived = outbox.retry_dead(delivery_ids=None, now=now)

    assert revived == 1
    deliver_all()
    assert seen == [1]
