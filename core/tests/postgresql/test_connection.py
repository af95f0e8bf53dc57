"""Each test asks PostgreSQL itself, over another connection, what is still running."""

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, connections
from django.db.transaction import atomic
from psycopg import errors
from psycopg_pool import PoolTimeout

from core.postgresql.base import DatabaseWrapper
from core.postgresql.connection import TimedConnection
from core.protection.deadlines import deadline, tidying_up
from core.tests.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def observer():
    """Look at the server from a connection that no deadline concerns."""
    own = connections.create_connection("default")
    try:
        with own.cursor() as cursor:
            yield cursor
    finally:
        own.close()


def running(cursor, text):
    """Count the statements with this text that PostgreSQL is working on right now."""
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE %s",
        [f"%{text}%"],
    )
    return cursor.fetchone()[0]


def run(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]


def seen_running(text, *, seconds=10):
    """Wait until PostgreSQL works on it."""
    end = time.monotonic() + seconds
    with observer() as cursor:
        while time.monotonic() < end:
            if running(cursor, text):
                return True
            time.sleep(0.01)
    return False


def test_a_statement_past_the_deadline_is_canceled_in_postgresql():
    seen = []
    watcher = threading.Thread(target=lambda: seen.append(seen_running("'late'")))
    watcher.start()

    with deadline(1), pytest.raises(OperationalError) as error:
        run("SELECT 'late' FROM pg_sleep(30)")

    watcher.join()
    assert isinstance(error.value.__cause__, errors.QueryCanceled)
    with observer() as cursor:
        assert (seen, running(cursor, "'late'")) == ([True], 0)


def test_without_a_deadline_the_same_statement_goes_on():
    """The control of the test above."""
    statement = "SELECT 'free' FROM pg_sleep(60)"
    thread = threading.Thread(target=run_until_canceled, args=[statement])
    thread.start()

    assert seen_running("'free'")
    time.sleep(1.2)
    with observer() as cursor:
        assert running(cursor, "'free'") == 1
        cursor.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE %s AND pid <> pg_backend_pid()",
            ["%'free'%"],
        )
    thread.join()


def run_until_canceled(text):
    with suppress(OperationalError):
        run(text)
    connection.close()


def test_the_connection_serves_on_after_a_canceled_statement():
    before = run("SELECT pg_backend_pid()")

    with deadline(0.1), pytest.raises(OperationalError):
        run("SELECT pg_sleep(30)")

    assert run("SELECT pg_backend_pid()") == before


def test_a_statement_has_its_own_limit_below_the_deadline():
    started = time.monotonic()

    with deadline(60, statement_seconds=0.1), pytest.raises(OperationalError) as error:
        run("SELECT pg_sleep(30)")

    assert isinstance(error.value.__cause__, errors.QueryCanceled)
    assert time.monotonic() - started < 20


def test_past_the_deadline_no_statement_is_sent():
    with observer() as cursor:
        pid = run("SELECT pg_backend_pid()")
        with deadline(0), pytest.raises(OperationalError) as error:
            run("SELECT 'unsent'")
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid])
        (last,) = cursor.fetchone()

    assert isinstance(error.value.__cause__, errors.QueryCanceled)
    assert "unsent" not in last
    assert run("SELECT 5") == 5


def test_a_canceled_transaction_leaves_nothing():
    @atomic
    def work():
        Group.objects.create(name="half done")
        run("SELECT pg_sleep(30)")

    with deadline(0.5), pytest.raises(OperationalError):
        work()

    assert not Group.objects.filter(name="half done").exists()


def test_a_transaction_may_end_after_the_deadline():
    """What was done in time is kept: to cancel a COMMIT would leave its outcome open."""
    with deadline(0.2), atomic():
        Group.objects.create(name="done")
        time.sleep(0.25)

    assert Group.objects.filter(name="done").exists()


def test_tidying_up_is_let_through():
    with deadline(0), tidying_up():
        assert run("SELECT 5") == 5


def test_waiting_for_a_lock_ends_with_the_deadline():
    row = Group.objects.create(name="contended")
    with observer() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM auth_group WHERE id = %s FOR UPDATE", [row.pk])
        with deadline(0.2), pytest.raises(OperationalError) as error, atomic():
            Group.objects.select_for_update().get(pk=row.pk)

    assert isinstance(error.value.__cause__, errors.QueryCanceled)


def test_rows_of_a_server_side_cursor_are_bounded_too():
    @atomic
    def work():
        with connection.chunked_cursor() as cursor:
            cursor.execute("SELECT n, pg_sleep(1) FROM generate_series(1, 20) n")
            return cursor.fetchall()

    with deadline(0.5), pytest.raises(OperationalError) as error:
        work()

    assert isinstance(error.value.__cause__, errors.QueryCanceled)


def test_copy_is_bounded_too():
    def copy():
        statement = "COPY (SELECT pg_sleep(30)) TO STDOUT"
        with connection.cursor() as cursor, cursor.copy(statement) as lines:
            return lines.read()

    with deadline(0.5), pytest.raises(errors.QueryCanceled):
        copy()

    assert run("SELECT 5") == 5


def test_threads_cancel_their_own_statements_only():
    def late():
        with deadline(0.3):
            run("SELECT pg_sleep(30)")

    def in_time():
        with deadline(60):
            return run("SELECT 7 FROM pg_sleep(1)")

    outcomes = race([late, in_time] * 4)

    assert outcomes[1::2] == [7] * 4
    assert {type(outcome) for outcome in outcomes[::2]} == {OperationalError}


def test_a_server_that_hangs_is_hung_up_on():
    """Its process is stopped, so that it can't even follow the order to cancel."""
    pid = run("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        with deadline(0.2), pytest.raises(OperationalError) as error:
            run("SELECT 5")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert isinstance(error.value.__cause__, errors.QueryCanceled)
    connection.close()
    assert run("SELECT pg_backend_pid()") != pid


def test_a_commit_that_hangs_is_hung_up_on():
    @atomic
    def work():
        Group.objects.create(name="in doubt")
        os.kill(pid, signal.SIGSTOP)

    pid = run("SELECT pg_backend_pid()")
    try:
        with deadline(0.5), pytest.raises(OperationalError):
            work()
    finally:
        os.kill(pid, signal.SIGCONT)
    connection.close()


@pytest.fixture
def pooled():
    """A connection as the shop's processes have it, from a pool of one."""
    settings = dict(connection.settings_dict)
    settings["OPTIONS"] = settings["OPTIONS"] | {
        "pool": {"min_size": 1, "max_size": 1, "timeout": 5}
    }
    wrapper = DatabaseWrapper(settings, alias="default")
    yield wrapper
    wrapper.close()
    wrapper.close_pool()


def test_pooled_connections_are_timed_and_come_back(pooled):
    with pooled.cursor() as cursor, deadline(0.1), pytest.raises(OperationalError):
        cursor.execute("SELECT pg_sleep(30)")
    assert type(pooled.connection) is TimedConnection
    first = pooled.connection.info.backend_pid
    pooled.close()

    pooled.ensure_connection()
    assert pooled.connection.info.backend_pid == first


def test_a_pooled_connection_that_the_server_ended_is_not_handed_out(pooled):
    pooled.ensure_connection()
    ended = pooled.connection.info.backend_pid
    pooled.close()
    assert run("SELECT pg_terminate_backend(%s, 5000)", ended)

    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    assert pid != ended


def test_the_wait_for_a_free_connection_ends_with_the_deadline(pooled):
    with pooled.pool as pool, pool.connection():
        started = time.monotonic()
        with deadline(0.1), pytest.raises(OperationalError) as error:
            pooled.ensure_connection()

    assert isinstance(error.value.__cause__, errors.QueryCanceled)
    assert isinstance(error.value.__cause__.__cause__, PoolTimeout)
    assert time.monotonic() - started < 4


def test_a_statement_in_time_costs_no_message_more(tmp_path):
    def sent(name):
        """Return what libpq sends for a small transaction."""
        with (tmp_path / name).open("w+b") as file, connection.cursor() as cursor:
            pgconn = cursor.connection.pgconn
            pgconn.trace(file.fileno())
            with atomic():
                cursor.execute("SELECT 5")
            pgconn.untrace()
            file.seek(0)
            lines = [line.split(b"\t") for line in file.read().splitlines()]
        return [line[1:] for line in lines if line[1:2] == [b"F"]]

    unbounded = sent("unbounded")
    with deadline(2):
        bounded = sent("bounded")

    assert len(unbounded) == 3
    assert bounded == unbounded
