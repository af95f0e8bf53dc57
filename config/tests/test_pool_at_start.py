"""How many connections to the database a web process has once it has started."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from django.db import connection

from config.tests.drilling import ROOT, postgres_address
from core.protection.fault_proxy import Faults, running_proxy
from core.tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
# It says how many it has and how many of these are free, each time that it is asked.
SCRIPT = """
import sys
import config.wsgi
from django.db import connection, OperationalError
print("started", flush=True)
for line in sys.stdin:
    if "use" in line:
        try:
            connection.ensure_connection()
            connection.close()
        except OperationalError:
            pass
    stats = connection.pool.get_stats()
    print(stats["pool_size"], stats["pool_available"], flush=True)
"""


@contextmanager
def web_process(port, **sizes):
    """Yield a way to ask it."""
    now = connection.settings_dict
    secret = f":{now['PASSWORD']}" if now["PASSWORD"] else ""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=os.environ
        | {
            "DATABASE_URL": f"postgresql://{now['USER']}{secret}@127.0.0.1:{port}/{now['NAME']}",
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
        }
        | sizes,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(word):
        process.stdin.write(f"{word}\n")
        process.stdin.flush()
        return tuple(map(int, process.stdout.readline().split()))

    try:
        assert process.stdout.readline() == "started\n"
        yield ask
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("sizes", "connections"),
    [
        # Who was quicker than the first of them has had one more opened.
        ({"WEB_THREADS": "5"}, {5, 6}),
        # No more than there may be.
        ({"WEB_THREADS": "5", "DATABASE_POOL_SIZE": "3"}, {3}),
    ],
)
def test_there_is_one_for_each_at_work_before_anybody_asks(sizes, connections):
    with (
        running_proxy(postgres_address()) as (_, (_, port)),
        web_process(port, **sizes) as ask,
    ):
        wait_until(lambda: ask("look")[1] in connections, seconds=20)
        size, free = ask("look")

    assert size == free


def test_without_a_database_it_starts_and_has_them_when_that_is_back():
    with running_proxy(postgres_address()) as (proxy, (_, port)):
        proxy.faults = Faults(down=True)
        with web_process(port, WEB_THREADS="5") as ask:
            wait_until(lambda: ask("look") == (0, 0), seconds=20)

            proxy.faults = Faults()

            wait_until(lambda: ask("use") == (5, 5), seconds=20)
