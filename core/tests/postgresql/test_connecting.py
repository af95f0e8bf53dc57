"""Connecting to a PostgreSQL that doesn't answer, refuses, or has to be waited for."""

import os
import shutil
import signal
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from psycopg import errors
from psycopg_pool import PoolTimeout

from config.embedded import EmbeddedServers
from config.settings._databases import database
from core.postgresql.base import DatabaseWrapper
from core.postgresql.outage import DOUBT_SECONDS, outage
from core.protection.deadlines import CONNECT_SECONDS, deadline
from core.protection.fault_proxy import Faults, running_proxy

pytestmark = pytest.mark.django_db(transaction=True)

# Nothing passes for longer than anybody here waits.
SILENCE = Faults(latency=60)
# What psycopg would wait at least, and what the pool waits for a free connection.
PSYCOPG_SECONDS, POOL_SECONDS = 2.0, 5.0


@pytest.fixture(autouse=True)
def no_outage():
    """Nobody's outage but the test's own."""
    outage.end()
    yield
    outage.end()


@pytest.fixture
def proxy():
    """Stand before the server of the tests; yield the proxy and what leads through it."""
    now = connection.settings_dict
    port = int(now["PORT"] or 5432)
    is_socket = now["HOST"].startswith("/")
    upstream = (
        Path(now["HOST"]) / f".s.PGSQL.{port}" if is_socket else (now["HOST"], port)
    )
    with running_proxy(upstream) as (proxy, (host, port)):
        yield proxy, now | {"HOST": host, "PORT": str(port)}
        proxy.faults = Faults()


@contextmanager
def wrapper(given, *, pool_size=0):
    """Connect by ourselves, or by a pool as the shop's processes have it."""
    shops = database(
        "postgresql:///x",
        pool_size=pool_size,
        lock_timeout_ms=0,
        statement_timeout_ms=0,
        prepares=False,
    )
    pool = {"pool": shops["OPTIONS"]["pool"]} if pool_size else {}
    own = DatabaseWrapper(given | {"OPTIONS": given["OPTIONS"] | pool}, alias="default")
    try:
        yield own
    finally:
        own.close()
        if pool_size:
            own.close_pool()


def failure_of(connect):
    """Return how connecting failed, and after how many seconds."""
    started = time.monotonic()
    with pytest.raises(OperationalError) as error:
        connect()
    return error.value.__cause__, time.monotonic() - started


def test_a_silent_server_is_given_up_within_the_second(proxy):
    proxy, given = proxy
    proxy.faults = SILENCE
    with wrapper(given) as own:
        cause, took = failure_of(own.ensure_connection)

    assert isinstance(cause, errors.ConnectionTimeout)
    assert 0.5 < took < PSYCOPG_SECONDS - 0.2


def test_connecting_ends_with_a_deadline_that_is_nearer(proxy):
    proxy, given = proxy
    proxy.faults = SILENCE
    with wrapper(given) as own, deadline(0.2):
        cause, took = failure_of(own.ensure_connection)

    assert isinstance(cause, errors.QueryCanceled)
    assert isinstance(cause.__cause__, errors.ConnectionTimeout)
    assert took < 0.7


def test_a_server_that_is_late_but_in_time_is_connected_to(proxy):
    """The control of the tests above."""
    proxy, given = proxy
    proxy.faults = Faults(latency=0.15)
    with wrapper(given) as own:
        own.ensure_connection()

        assert own.is_usable()


@pytest.fixture
def stopped():
    """A server of this test alone, which takes connections and never answers."""
    folder = Path(tempfile.mkdtemp(prefix="shop-", dir="/tmp"))
    folder.chmod(0o755)
    servers = EmbeddedServers(folder / "var", durable=False, with_valkey=False)
    servers.start()
    (pid,) = servers.pids
    os.kill(pid, signal.SIGSTOP)
    yield servers
    os.kill(pid, signal.SIGCONT)
    servers.destroy()
    shutil.rmtree(folder)


def test_a_stopped_server_is_given_up_within_the_second(stopped):
    given = database(
        stopped.database_url,
        pool_size=1,
        lock_timeout_ms=0,
        statement_timeout_ms=0,
        prepares=False,
    )
    with wrapper(connection.settings_dict | given | {"OPTIONS": {}}) as own:
        cause, took = failure_of(own.ensure_connection)

    assert isinstance(cause, errors.ConnectionTimeout)
    assert took < PSYCOPG_SECONDS - 0.2


@pytest.mark.parametrize("faults", [SILENCE, Faults(down=True)], ids=["silent", "down"])
def test_nobody_waits_longer_for_a_pool_that_cannot_connect(proxy, faults):
    proxy, given = proxy
    proxy.faults = faults
    with wrapper(given, pool_size=4) as own:
        # As a process begins, and when it has been so for a while.
        failures = [failure_of(own.ensure_connection) for _ in range(3)]

    assert {type(cause) for cause, _ in failures} == {PoolTimeout}
    assert max(took for _, took in failures) < POOL_SECONDS - 2


def test_who_hangs_up_takes_the_idle_ones_of_the_pool_along(proxy):
    """Each of them would cost a caller as long to learn the same."""
    proxy, given = proxy
    with wrapper(given, pool_size=3) as own, own.pool as pool:
        idle = [pool.getconn() for _ in range(3)]
        for one in idle:
            pool.putconn(one)
        proxy.faults = SILENCE

        with deadline(0.1), pytest.raises(OperationalError):
            own.cursor().execute("SELECT 1")

        assert pool.get_stats()["pool_available"] == 0
        assert outage.is_on


def test_a_pool_whose_connections_are_busy_is_waited_for_longer(proxy):
    _, given = proxy
    with wrapper(given, pool_size=1) as own, own.pool as pool:
        busy = pool.getconn()
        threading.Timer(CONNECT_SECONDS + 0.5, pool.putconn, [busy]).start()

        own.ensure_connection()

        assert own.connection.info.backend_pid == busy.info.backend_pid


def test_a_server_that_is_back_is_found_within_a_second(proxy):
    """Left to itself the pool would try again 7 s after the beginning, then after 15 s."""
    proxy, given = proxy
    with wrapper(given, pool_size=2) as own:
        proxy.faults = Faults(down=True)
        begun = time.monotonic()
        while time.monotonic() < begun + 4:
            failure_of(own.ensure_connection)
            time.sleep(0.01)
        proxy.faults = Faults()
        back_at = time.monotonic()
        while not connects(own):
            time.sleep(0.01)

    assert time.monotonic() - back_at < 2


def connects(own):
    with suppress(OperationalError):
        own.ensure_connection()
    return own.connection is not None


@pytest.mark.parametrize(
    ("faults", "longest"), [(SILENCE, 1.5), (Faults(down=True), 0.7)]
)
def test_in_an_outage_one_caller_a_second_waits(proxy, faults, longest):
    proxy, given = proxy
    proxy.faults = faults
    with wrapper(given, pool_size=4) as own:
        failure_of(own.ensure_connection)
        begun, times = time.monotonic(), []
        while time.monotonic() < begun + 4:
            times.append(failure_of(own.ensure_connection)[1])
            time.sleep(0.01)

    assert max(times) < longest
    # Five at most had their turn, and some came while there was doubt.
    assert sum(took > 0.05 for took in times) <= 8
    assert len(times) > 40


def test_without_the_rest_every_caller_waits(proxy, monkeypatch):
    """The control of the test above."""
    monkeypatch.setattr("core.postgresql.outage.REST_SECONDS", 0.0)
    proxy, given = proxy
    proxy.faults = Faults(down=True)
    with wrapper(given, pool_size=4) as own:
        times = [failure_of(own.ensure_connection)[1] for _ in range(5)]

    assert min(times) > 0.05


def test_a_server_that_answers_somebody_is_not_out(proxy):
    """One that has no room for more connections is no reason to refuse the others."""
    proxy, given = proxy
    with wrapper(given, pool_size=4) as own:
        own.ensure_connection()
        outage.go_on()
        with own.cursor() as cursor:
            cursor.execute("SELECT 1")

        assert not outage.is_on


def test_what_sends_nothing_ends_no_outage(proxy):
    proxy, given = proxy
    with wrapper(given) as own:
        own.ensure_connection()
        outage.go_on()
        own.connection.commit()

        assert outage.is_on


def test_connections_that_hang_are_not_waited_for(proxy):
    """They are at work, but nobody has heard of the server for long."""
    _, given = proxy
    with wrapper(given, pool_size=1) as own, own.pool as pool:
        hanging = pool.getconn()
        outage.go_on()
        time.sleep(DOUBT_SECONDS)
        times = [failure_of(own.ensure_connection)[1] for _ in range(20)]
        pool.putconn(hanging)

    assert sum(took > 0.05 for took in times) <= 1


def test_connections_at_work_are_waited_for_while_there_is_doubt(proxy):
    """As where there is no room for more of them: the next one to end is the caller's."""
    _, given = proxy
    with wrapper(given, pool_size=1) as own, own.pool as pool:
        busy = pool.getconn()
        outage.go_on()
        threading.Timer(0.3, pool.putconn, [busy]).start()

        own.ensure_connection()

        assert own.is_usable()


def test_in_an_outage_connections_that_are_left_are_used(proxy, monkeypatch):
    monkeypatch.setattr("core.postgresql.outage.DOUBT_SECONDS", 0.0)
    _, given = proxy
    with wrapper(given, pool_size=1) as own, own.pool as pool:
        pool.putconn(pool.getconn())
        outage.go_on()

        own.ensure_connection()

        assert own.is_usable()


def test_who_is_in_a_hurry_declares_no_outage(proxy):
    proxy, given = proxy
    proxy.faults = SILENCE
    with wrapper(given) as own, deadline(0.2):
        failure_of(own.ensure_connection)

    assert not outage.is_on
