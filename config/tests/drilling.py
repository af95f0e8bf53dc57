"""The shop's real web server in a process of its own, with a fault proxy before each server."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.db import connection

from core.protection.fault_proxy import Faults, running_proxy
from core.tests.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]


def postgres_address():
    now = connection.settings_dict
    port = int(now["PORT"] or 5432)
    if str(now["HOST"]).startswith("/"):
        return Path(now["HOST"]) / f".s.PGSQL.{port}"
    return now["HOST"], port


def valkey_address():
    url = urlsplit(django_settings.REDIS_URL)
    return Path(url.path) if url.scheme == "unix" else (url.hostname, url.port or 6379)


def through(place, url):
    """Lead an address through a proxy that listens at that place."""
    parts = urlsplit(url)
    database = parts.query.removeprefix("db=") or parts.path.strip("/")
    if parts.scheme == "unix":
        return f"redis://127.0.0.1:{place[1]}/{database or 0}"
    secret, at, _ = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{secret}{at}127.0.0.1:{place[1]}{parts.path}"


@contextmanager
def shop_behind_proxies(**environment):
    """Yield the web server's address, and the proxies before PostgreSQL and Valkey."""
    now = connection.settings_dict
    with ExitStack() as stack:
        postgres, pg_place = stack.enter_context(running_proxy(postgres_address()))
        valkey, valkey_place = stack.enter_context(running_proxy(valkey_address()))
        secret = f":{now['PASSWORD']}" if now["PASSWORD"] else ""
        database_url = (
            f"postgresql://{now['USER']}{secret}@127.0.0.1:{pg_place[1]}/{now['NAME']}"
        )
        redis_url = through(valkey_place, django_settings.REDIS_URL)
        servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        with running_shop(**servers | environment) as url:
            try:
                yield url, postgres, valkey
            finally:
                postgres.faults = valkey.faults = Faults()


@contextmanager
def running_shop(first_asked="/api/v1/products", **environment):
    """Yield the address of a web server of one process; by default nothing is cached."""
    port = free_port()
    defaults = {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "LOG_LEVEL": "ERROR",
        "BYTES_CACHE": "false",
        "LOAD_SHEDDING_MODE": "off",
    }
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi"),
        *("config.wsgi:application", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--blocking-threads", "4", "--backpressure", "32"),
        *("--workers-kill-timeout", "3", "--log-level", "error"),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | defaults | environment
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: status_of(f"{url}{first_asked}") == 200)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def free_port():
    with running_proxy(("127.0.0.1", 1)) as (_, (_, port)):
        return port


def ask(url, payload=None, **headers):
    return answer_of(url, payload, **headers)[:2]


def answer_of(url, payload=None, **headers):
    """Return status, body and headers, whatever they say; 0 where nobody answers."""
    request = urllib.request.Request(  # noqa: S310 -- our own address
        url,
        data=None if payload is None else json.dumps(payload).encode(),
        headers={"Content-Type": "application/json"}
        | {name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 -- our own address
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        body = error.read()
        return error.code, json.loads(body) if body else None, error.headers
    except OSError:
        return 0, None, {}


def status_of(url):
    return ask(url)[0]
