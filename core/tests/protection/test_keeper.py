import threading
import time

from django.apps import apps

from core.protection import deadlines
from core.protection.keeper import CHORE_SECONDS, Keeper
from core.tests.processes import running, wait_until

# As a process that forks its workers does: it imports everything, and answers nothing.
IMPORTER = """
from django.conf import settings
settings.PROTECTION_REFRESH_SECONDS = 2
import django; django.setup()
import config.celery, config.urls, threading, time
print([thread.name for thread in threading.enumerate()], flush=True)
time.sleep(60)
"""


def test_no_chores_are_done_while_apps_are_loaded(monkeypatch, settings):
    """They read tables, and a module may ask for the keeper when it is imported."""
    settings.PROTECTION_REFRESH_SECONDS = 1.0
    monkeypatch.setattr(apps, "ready", False)

    assert Keeper().wake() is False


def test_importing_the_shop_starts_no_thread():
    with running("-c", IMPORTER) as process:
        assert process.stdout.readline() == b"['MainThread']\n"


def test_a_chore_that_fails_stops_neither_the_others_nor_the_next_round(settings):
    settings.PROTECTION_REFRESH_SECONDS = 0.01
    keeper, rounds, threads = Keeper(), [], set()

    def fail():
        raise RuntimeError("broken")

    def count():
        rounds.append(time.monotonic())
        threads.add(threading.current_thread())

    keeper.add(fail)
    keeper.add(count)
    assert keeper.wake()
    assert keeper.wake()
    wait_until(lambda: len(rounds) >= 3)

    assert len(threads) == 1
    # The thread is a daemon's and lives on; it shall not count any more.
    keeper._chores.clear()  # noqa: SLF001 -- of this test's own keeper


def test_a_chore_has_to_end():
    keeper, left = Keeper(), []
    keeper.add(lambda: left.append(deadlines.remaining()))

    keeper.make_round()

    assert CHORE_SECONDS - 1 < left[0] <= CHORE_SECONDS
    assert deadlines.remaining() is None


def test_where_settings_want_no_thread_there_is_none(settings):
    settings.PROTECTION_REFRESH_SECONDS = 0

    assert not Keeper().wake()
