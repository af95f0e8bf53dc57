import os
import subprocess
import sys
import time
import tracemalloc
from random import Random
from uuid import uuid4

import pytest
import redis
import time_machine
from django.conf import settings

from core.protection.line import Line
from core.protection.token_bucket import SCRIPT, Bucket, LocalBuckets, SharedBuckets
from core.tests.processes import ROOT


@pytest.fixture
def valkey():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client
        for key in client.scan_iter("{test-*"):
            client.delete(key)


@pytest.fixture
def shared():
    # A machine that is busy with other tests must not look like a lost server.
    return SharedBuckets(Line(patience_seconds=5).call)


def key():
    return f"{{test-{uuid4()}}}:minute"


def is_admitted(buckets, bucket):
    return not any(level.is_short for level in buckets.take([bucket]))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_thousand_a_second_admit_the_burst_and_what_flowed_in(shared, valkey):
    bucket = Bucket(key(), capacity=100, rate=1000)

    def server_time():
        seconds, microseconds = valkey.time()
        return seconds + microseconds / 1e6

    before = server_time()
    admitted = sum(is_admitted(shared, bucket) for _ in range(3000))
    seconds = server_time() - before

    assert admitted <= 100 + 1000 * seconds + 1
    # A machine that pauses us lets the bucket run over, so downwards there is some room.
    assert admitted >= min(3000, 100 + 1000 * seconds) * 0.9


def test_admits_the_burst_plus_rate_times_time_to_one():
    clock = Clock()
    local = LocalBuckets(clock=clock)
    bucket = Bucket("fast", capacity=100, rate=1000)
    admitted = 0

    for _ in range(20_000):
        admitted += is_admitted(local, bucket)
        clock.now += 0.0005

    assert admitted == pytest.approx(100 + 1000 * 10, abs=1)


def admitted_by_valkey(valkey, *, capacity, rate, times, every):
    """Count whom the script admits, on the server, with a clock that the test turns."""
    script = SCRIPT.replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
    assert script != SCRIPT
    name, bucket = valkey.script_load(script), key()
    with valkey.pipeline(transaction=False) as asking:
        for n in range(times):
            # As far from 1970 as we are: a clock of microseconds has 16 digits.
            seconds, microseconds = divmod(round(1.8e15 + n * every * 1e6), 1_000_000)
            asking.evalsha(name, 1, bucket, capacity, rate, 1, 1, seconds, microseconds)
        return sum(wait == 0 for _, wait in asking.execute())


def test_valkey_admits_the_burst_plus_rate_times_time_to_one(valkey):
    admitted = admitted_by_valkey(
        valkey, capacity=100, rate=1000, times=10_000, every=0.0005
    )

    assert admitted == pytest.approx(100 + 1000 * 5, abs=1)


def test_valkey_grants_five_a_minute_to_who_asks_every_eleven_seconds(valkey):
    admitted = admitted_by_valkey(valkey, capacity=5, rate=5 / 60, times=600, every=11)

    assert admitted / (600 * 11 / 60) >= 4.9


def test_five_a_minute_asked_every_eleven_seconds_lose_nothing():
    clock = Clock()
    local = LocalBuckets(clock=clock)
    bucket = Bucket("slow", capacity=5, rate=5 / 60)
    admitted = 0

    for _ in range(600):
        admitted += is_admitted(local, bucket)
        clock.now += 11

    assert admitted / (600 * 11 / 60) >= 4.9


def test_valkey_keeps_fractions_of_a_token(shared):
    bucket = Bucket(key(), capacity=1, rate=10)
    begun = time.monotonic()
    admitted = 0

    # Asked every 33 ms for a token every 100 ms: whole tokens alone would never add up.
    while time.monotonic() - begun < 1.5:
        admitted += is_admitted(shared, bucket)
        time.sleep(0.033)

    assert 13 <= admitted <= 17


def test_denied_by_one_of_three_leaves_the_others_as_they_were(shared, valkey):
    one, two, empty = (Bucket(key(), capacity=5, rate=0.001) for _ in range(3))
    shared.take([one])
    shared.take([Bucket(empty.key, 5, 0.001, cost=5)])
    before = valkey.hgetall(one.key)

    levels = shared.take([one, two, empty])

    assert [level.is_short for level in levels] == [False, False, True]
    assert valkey.hgetall(one.key) == before
    assert not valkey.exists(two.key)


@pytest.mark.parametrize("where", ["shared", "local"])
def test_one_that_only_counts_refuses_nothing(shared, where):
    buckets = shared if where == "shared" else LocalBuckets()
    real = Bucket(key(), capacity=5, rate=0.001)
    dark = Bucket(key(), capacity=1, rate=0.001, refuses=False)

    rounds = [buckets.take([real, dark]) for _ in range(3)]

    assert [round(real.remaining) for real, _ in rounds] == [4, 3, 2]
    assert [dark.is_short for _, dark in rounds] == [False, True, True]


def test_cost_above_one_takes_that_many(shared):
    bucket = Bucket(key(), capacity=10, rate=0.001, cost=4)

    assert [is_admitted(shared, bucket) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("where", ["shared", "local"])
def test_wait_tells_when_the_cost_will_be_there(shared, where):
    buckets = shared if where == "shared" else LocalBuckets()
    bucket = Bucket(key(), capacity=10, rate=2, cost=10)
    buckets.take([bucket])

    (level,) = buckets.take([bucket])

    assert level.wait_seconds == pytest.approx(5, abs=0.2)


def test_a_bucket_is_forgotten_a_second_after_it_is_full(shared, valkey):
    bucket = Bucket(key(), capacity=10, rate=2, cost=4)
    shared.take([bucket])

    assert 2500 <= valkey.pttl(bucket.key) <= 3000


@pytest.mark.parametrize("rate", [1e6, 1e-3])
def test_a_full_bucket_lives_for_a_second_and_never_for_ever(shared, valkey, rate):
    """A time to live of 0 would delete it at once, none at all would keep it for good."""
    bucket = Bucket(key(), capacity=10, rate=rate)
    shared.take([bucket])
    shared.take([Bucket(bucket.key, 10, rate, cost=-10)])

    assert 0 < valkey.pttl(bucket.key) <= 1000


def test_survives_script_flush(shared, valkey):
    bucket = Bucket(key(), capacity=2, rate=0.001)
    shared.take([bucket])
    valkey.script_flush()

    assert is_admitted(shared, bucket)
    assert not is_admitted(shared, bucket)


@pytest.mark.parametrize(
    "make", ["SharedBuckets({})", "SparingBuckets(SharedBuckets({}))"]
)
def test_eight_processes_share_one_bucket_exactly(make):
    program = (
        "import django; django.setup();"
        "from core.protection.line import Line;"
        "from core.protection.sparing import SparingBuckets;"
        "from core.protection.token_bucket import Bucket, SharedBuckets;"
        f"shared = {make.format('Line(patience_seconds=5).call')};"
        f"bucket = Bucket({key()!r}, capacity=100, rate=0.0001);"
        "print(sum(not shared.take([bucket])[0].is_short for _ in range(50)))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env=os.environ
            | {
                "REDIS_URL": settings.REDIS_URL,
                "DJANGO_SETTINGS_MODULE": "config.settings.test",
            },
        )
        for _ in range(8)
    ]

    admitted = [int(process.communicate(timeout=90)[0]) for process in processes]

    assert sum(admitted) == 100


def test_an_application_whose_clock_is_an_hour_off_changes_nothing(shared):
    bucket = Bucket(key(), capacity=1, rate=1 / 60)
    shared.take([bucket])

    with time_machine.travel(time.time() + 3600, tick=True):
        assert not is_admitted(shared, bucket)
    with time_machine.travel(time.time() - 3600, tick=True):
        assert not is_admitted(shared, bucket)


def test_a_million_addresses_leave_memory_bounded():
    local = LocalBuckets(size=10_000)
    for number in range(20_000):
        local.take([Bucket(f"ip:{number}", capacity=5, rate=1)])
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()

    # A fiftieth is traced, which is slow; the rest shows that the count stays.
    for number in range(20_000):
        local.take([Bucket(f"ip:{number}", capacity=5, rate=1)])
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for number in range(960_000):
        local.take([Bucket(f"ip:{number}", capacity=5, rate=1)])

    assert after - before < 6_000_000
    assert len(local) == 10_000


def test_a_flood_pushes_out_no_strict_bucket():
    local = LocalBuckets(size=100)
    login = Bucket("login", capacity=1, rate=0.001, is_strict=True)
    local.take([login])
    for number in range(1000):
        local.take([Bucket(f"ip:{number}", capacity=5, rate=1)])

    assert not is_admitted(local, login)


def test_local_and_shared_agree(shared):
    random = Random(4)  # noqa: S311 -- a seed, so that a failure can be repeated
    local = LocalBuckets()
    name = key()
    for _ in range(30):
        demand = Bucket(name, 7, 0.000001, cost=random.choice([1, 2, 3]))
        assert is_admitted(local, demand) == is_admitted(shared, demand)


def test_the_scripts_errors_reach_the_caller(shared, valkey):
    name = key()
    valkey.set(name, "not a bucket")

    with pytest.raises(redis.ResponseError):
        shared.take([Bucket(name, 1, 1)])
