"""Valkey killed, and Valkey stopped so that it takes connections and never answers."""

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
import redis
from django.test import override_settings

from config.embedded import EmbeddedServers
from core.protection import limiter
from core.protection.line import Line
from core.protection.sparing import SparingBuckets
from core.protection.token_bucket import Bucket, SharedBuckets
from core.tests.processes import wait_until

LOGIN = "/api/v1/auth/login"
# Answered without a view, so that little but the limits is measured.
NOWHERE = "/api/v1/nothing"
READS = ("products", "search?q=lamp", "categories")


class OwnValkey:
    """A server of this test alone, to kill, to stop and to bring back."""

    def __init__(self, folder):
        self._folder = folder
        self._servers = self._start()
        self.url = self._servers.redis_url

    def _start(self):
        servers = EmbeddedServers(
            self._folder / "var", durable=False, with_postgres=False
        )
        servers.start()
        return servers

    def fail(self, how):
        (pid,) = self._servers.pids
        os.kill(pid, how)

    def come_back(self, how):
        if how == signal.SIGSTOP:
            self.fail(signal.SIGCONT)
        else:
            self._servers.stop()
            self._servers = self._start()

    def destroy(self):
        for pid in self._servers.pids:
            os.kill(pid, signal.SIGCONT)
        self._servers.destroy()


@pytest.fixture
def valkey():
    folder = Path(tempfile.mkdtemp(prefix="shop-", dir="/tmp"))
    folder.chmod(0o755)
    own = OwnValkey(folder)
    yield own
    own.destroy()
    shutil.rmtree(folder)


@pytest.fixture
def line(impatient_limits, valkey, settings, monkeypatch):
    settings.REDIS_URL = valkey.url
    line = Line()
    monkeypatch.setattr(limiter, "shared", SparingBuckets(SharedBuckets(line.call)))
    return line


def seconds_of(call):
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def percentile(values, share):
    return sorted(values)[int(len(values) * share)]


def ask(api, path=NOWHERE):
    return api.get(path, headers={"X-Forwarded-For": "203.0.113.7"}).status_code


def sign_in(api):
    return api.post(
        LOGIN,
        {"email": "alice@example.com", "password": "wrong"},
        headers={"X-Forwarded-For": "203.0.113.7"},
    ).status_code


each_failure = pytest.mark.parametrize(
    "how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"]
)


@each_failure
def test_requests_are_answered_in_time_and_counted_again_soon(
    api, line, valkey, impatient_limits, how
):
    impatient_limits(quota=100_000, window_seconds=60)
    usual = [seconds_of(lambda: ask(api)) for _ in range(200)]
    # On a busy machine Valkey may have seemed lost for a moment.
    wait_until(lambda: ask(api) and not line.is_out)

    valkey.fail(how)
    answers, times = [], []
    end = time.monotonic() + 3
    while time.monotonic() < end:
        times.append(seconds_of(lambda: answers.append(ask(api))))
    assert line.is_out
    assert set(answers) == {404}
    assert percentile(times, 0.99) - percentile(usual, 0.99) <= 0.06

    valkey.come_back(how)
    wait_until(lambda: ask(api) and not line.is_out, seconds=5)
    with redis.Redis.from_url(valkey.url) as client:
        assert list(client.scan_iter("*:limit:{ip:203.0.113.7}:minute"))


@each_failure
def test_no_single_question_waits_longer_than_the_patience(line, valkey, how):
    bucket = Bucket("{test}:x", capacity=10, rate=1)
    limiter.take([bucket])
    valkey.fail(how)

    times = [seconds_of(lambda: limiter.take([bucket])) for _ in range(1000)]

    # One waits in vain, the others are told at once.
    assert percentile(times, 0.99) <= 0.02
    assert sum(t > 0.045 for t in times) <= 5


@each_failure
def test_everything_stays_limited_and_login_strictly(
    api, line, valkey, impatient_limits, how
):
    impatient_limits(quota=20)
    path = {"method": "POST", "path": LOGIN}
    impatient_limits("login", per="ip", quota=5, is_strict=True, **path)
    impatient_limits("account", per="account", quota=5, is_strict=True, **path)
    assert sign_in(api) == 401
    valkey.fail(how)

    # Of two processes, as the settings have it, each grants half of five.
    assert [sign_in(api) for _ in range(4)] == [401, 401, 429, 429]
    answers = [ask(api) for _ in range(25)]

    assert answers == [404] * 18 + [429] * 7


@each_failure
@pytest.mark.usefixtures("line")
@override_settings(BYTES_CACHE=True)
def test_no_route_fails(api, client, valkey, impatient_limits, how):
    impatient_limits(quota=1000)
    valkey.fail(how)

    answers = []
    for _ in range(3):
        answers += [api.get(f"/api/v1/{path}").status_code for path in READS]
        answers += [
            api.post("/api/v1/carts", {}).status_code,
            client.get("/admin/login/").status_code,
            api.get("/metrics").status_code,
            api.get("/health/ready").status_code,
            sign_in(api),
        ]

    assert answers == [200, 200, 200, 201, 200, 200, 200, 401] * 3


def test_a_restarted_server_costs_no_request_its_count(line, valkey):
    bucket = Bucket("{test}:x", capacity=10, rate=0.001)
    limiter.take([bucket])
    valkey.fail(signal.SIGKILL)
    valkey.come_back(signal.SIGKILL)

    # The old connection is dead; the question is asked again on a new one.
    (level,) = limiter.shared.take([bucket])

    assert level.remaining == 9
    assert not line.is_out


def test_a_full_valkey_is_a_lost_one(line, valkey):
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", "1")

    (level,) = limiter.take([Bucket("{test}:x", capacity=10, rate=1)])

    assert level.remaining == 9
