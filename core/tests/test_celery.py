import socket
from time import monotonic

import pytest
from celery import Celery
from django.db import transaction
from django.utils import timezone

from config.celery import app
from config.settings._celery import QUEUES, ROUTES, SCHEDULE, celery_settings
from core import broker, events, heartbeat
from core.events import publish
from core.models import AuditEntry
from core.tests.lamps import LampLit
from core.tests.processes import beat, wait_until, worker

LAMPS = "core.tests.lamps"


@pytest.fixture(autouse=True)
def _no_pause():
    broker.pause.end()
    yield
    broker.pause.end()


@pytest.mark.parametrize("task", sorted({*SCHEDULE, *ROUTES}))
def test_every_named_task_exists(task):
    app.loader.import_default_modules()

    assert task in app.tasks


def test_every_route_leads_to_a_queue_that_workers_read():
    assert {route["queue"] for route in ROUTES.values()} <= set(QUEUES)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///run/v.sock?db=3", "redis+socket:///run/v.sock?virtual_host=3"),
        ("unix:///run/v.sock", "redis+socket:///run/v.sock"),
        ("redis://:secret@cache:6379/1", "redis://:secret@cache:6379/1"),
    ],
)
def test_celery_settings_translate_the_broker_url(url, expected):
    assert celery_settings(url)["CELERY_BROKER_URL"] == expected


def use_broker(monkeypatch, url):
    settings = celery_settings(url)
    other = Celery("other", set_as_current=False, broker=settings["CELERY_BROKER_URL"])
    other.conf.broker_transport_options = settings["CELERY_BROKER_TRANSPORT_OPTIONS"]
    other.conf.broker_connection_timeout = settings["CELERY_BROKER_CONNECTION_TIMEOUT"]
    monkeypatch.setattr(broker, "current_app", other)


def test_enqueue_gives_up_at_once_when_the_broker_is_down(monkeypatch, tmp_path):
    use_broker(monkeypatch, f"unix://{tmp_path}/none.sock?db=0")
    start = monotonic()

    assert broker.enqueue("core.tasks.relay_outbox") is False
    assert monotonic() - start < 3


def test_enqueue_waits_a_bounded_moment_for_a_broker_that_hangs(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_broker(monkeypatch, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        start = monotonic()

        assert broker.enqueue("core.tasks.relay_outbox") is False
        assert monotonic() - start < 8
        # The next request doesn't wait at all.
        start = monotonic()
        assert broker.enqueue("core.tasks.relay_outbox") is False
        assert monotonic() - start < 1


@pytest.mark.django_db(transaction=True)
def test_publishing_does_not_need_the_broker(monkeypatch, tmp_path):
    use_broker(monkeypatch, f"unix://{tmp_path}/none.sock?db=0")

    with transaction.atomic():
        publish(LampLit("a"))

    wait_until(broker.pause.is_on)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_worker_delivers_what_was_published_and_shows_that_it_lives():
    begun = timezone.now().replace(microsecond=0)
    heartbeat.forget("worker")
    with worker("--concurrency", "1", include=LAMPS):
        with transaction.atomic():
            publish(LampLit("a", 7))
        broker.enqueue("core.tasks.beat_heart")

        entry = wait_until(AuditEntry.objects.first)
        alive_at = wait_until(lambda: heartbeat.last_heartbeat("worker"))

    assert entry.after == {"brightness": 7}
    assert begun <= alive_at <= timezone.now()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_beat_brings_the_event_whose_nudge_was_lost(monkeypatch):
    begun = timezone.now().replace(microsecond=0)
    heartbeat.forget("beat")
    monkeypatch.setattr(events, "nudge_relay", lambda: None)
    with transaction.atomic():
        publish(LampLit("a", 7))

    with beat(), worker("--concurrency", "1", include=LAMPS):
        entry = wait_until(AuditEntry.objects.first)
        alive_at = wait_until(lambda: heartbeat.last_heartbeat("beat"))

    assert entry.after == {"brightness": 7}
    assert begun <= alive_at <= timezone.now()


def test_a_burst_of_nudges_is_few_messages_and_the_last_one_is_heard(monkeypatch):
    sent = []
    monkeypatch.setattr(broker, "enqueue", lambda task, **_: sent.append(task))
    nudge = broker.Nudge("core.tasks.relay_outbox")

    for _ in range(100):
        nudge()
    wait_until(lambda: sent)
    before = len(sent)
    nudge()
    wait_until(lambda: len(sent) > before)

    assert before < 10
    assert set(sent) == {"core.tasks.relay_outbox"}


def test_a_nudge_does_not_wait_for_a_broker_that_hangs(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_broker(monkeypatch, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        start = monotonic()

        broker.Nudge("core.tasks.relay_outbox")()

        assert monotonic() - start < 0.5


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_task_carries_its_deadline_through_the_broker():
    task = f"{LAMPS}.note_time_left"
    broker.enqueue(task, seconds=-1)
    broker.enqueue(task)
    broker.enqueue(task, seconds=60)

    with worker("--concurrency", "1", include=LAMPS):
        wait_until(lambda: AuditEntry.objects.count() == 2)
        broker.enqueue(task, seconds=9, sleeps=110)
        wait_until(lambda: AuditEntry.objects.count() == 3)

    entries = AuditEntry.objects.order_by("id")
    free, bound, stopped = (entry.after["seconds"] for entry in entries)
    # The soft limit of 90 s, or what was left of the message's 60 s; 10 s of grace.
    assert 95 < free <= 100
    assert 20 < bound <= 70
    # Asked to stop, it has its grace to write that down.
    assert 0 < stopped <= 10
