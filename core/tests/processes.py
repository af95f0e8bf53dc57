"""Run a second, real process of the shop against the database of the running test."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def environment():
    url = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    # urlunsplit would drop the slashes of an empty host.
    database_url = urlunsplit(url._replace(path=f"/{name}"))
    return os.environ | {
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def running(*arguments, **variables):
    """Start ``python …`` and kill it with its children at the end."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill(process)


def kill(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()


def worker(*arguments, include):
    return running(
        *("-m", "celery", "--quiet", "-A", "config", "worker", "--include", include),
        *("--queues", "critical,default,bulk", "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", *arguments),
    )


def beat():
    return running("-m", "celery", "--quiet", "-A", "config", "beat", "--pidfile=")


def wait_until(condition, *, seconds=100.0):
    """Return what the condition returns once that is truthy.

    A busy machine takes half a minute to start a process. What waits here waits for what
    comes, so that patience costs only a test that fails.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"Nothing happened within {seconds} seconds.")
