"""Chaos for servers that DATABASE_URL and REDIS_URL name, as a command started behind a proxy meets it."""

import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from config.chaos import ChaosError
from config.chaos_by_url import named_postgres, named_server, named_valkey

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("url", "address", "through"),
    [
        (
            "postgresql://shop:pa%40ss@db.example:6432/shop",
            ("db.example", 6432),
            "postgresql://shop:pa%40ss@db.example:4711/shop?hostaddr=127.0.0.1",
        ),
        (
            "postgresql://shop@db/shop?sslmode=verify-full&hostaddr=10.0.0.1",
            ("db", 5432),
            "postgresql://shop@db:4711/shop?sslmode=verify-full&hostaddr=127.0.0.1",
        ),
        (
            "postgres://[::1]/shop",
            ("::1", 5432),
            "postgres://[::1]:4711/shop?hostaddr=127.0.0.1",
        ),
        (
            "postgresql://shop@/shop?host=/run/pg&port=5433",
            Path("/run/pg/.s.PGSQL.5433"),
            "postgresql://shop@127.0.0.1:4711/shop?hostaddr=127.0.0.1",
        ),
    ],
)
def test_database_url_leads_through_the_proxy(url, address, through):
    server = named_postgres(url)

    assert (server.address, server.through(4711)) == (address, through)


@pytest.mark.parametrize(
    ("url", "address", "through"),
    [
        ("redis://valkey", ("valkey", 6379), "redis://127.0.0.1:4711"),
        (
            "redis://me:secret@valkey:7000/3?protocol=3",
            ("valkey", 7000),
            "redis://me:secret@127.0.0.1:4711/3?protocol=3",
        ),
        (
            "unix:///run/valkey.sock?db=2",
            Path("/run/valkey.sock"),
            "redis://127.0.0.1:4711/2",
        ),
        (
            "unix://:secret@/run/valkey.sock",
            Path("/run/valkey.sock"),
            "redis://:secret@127.0.0.1:4711/0",
        ),
    ],
)
def test_redis_url_leads_through_the_proxy(url, address, through):
    server = named_valkey(url)

    assert (server.address, server.through(4711)) == (address, through)


def test_what_nobody_can_stand_before_is_refused():
    with pytest.raises(ChaosError, match="without TLS"):
        named_valkey("rediss://valkey:6379/0")
    with pytest.raises(ChaosError, match="several"):
        named_postgres("postgresql://shop@one,two/shop")


def test_the_variable_tells_which_servers_are_named(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop@db/shop")
    monkeypatch.delenv("REDIS_URL", raising=False)

    assert named_server("postgres").title == "PostgreSQL"
    assert named_server("valkey") is None
    assert named_server("provider") is None


def test_production_is_never_spoilt_by_url_either(settings):
    settings.DEV_TOOLS = False

    with pytest.raises(CommandError) as error:
        call_command("chaos", "postgres", "down", "--run", "true")

    assert "never in production" in str(error.value)


def test_a_built_in_server_starts_nothing(monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)

    with pytest.raises(CommandError) as error:
        call_command("chaos", "valkey", "down", "--run", "true", stdout=StringIO())

    assert str(error.value).endswith("that DATABASE_URL or REDIS_URL names.")


def chaos(*words):
    return subprocess.Popen(
        [sys.executable, "manage.py", "chaos", *words],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.local"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# Asks the server that its environment names, says how long that took, and asks again.
ASKS = """
import os, sys, time, psycopg, redis
said = []
while len(said) < int(sys.argv[2]) and said[-2:] != ["late", "soon"]:
    started = time.monotonic()
    if sys.argv[1] == "postgres":
        with psycopg.connect(os.environ["DATABASE_URL"]) as own:
            own.execute("SELECT 5")
    else:
        redis.Redis.from_url(os.environ["REDIS_URL"]).ping()
    said.append("late" if time.monotonic() - started >= 0.5 else "soon")
    print(said[-1], flush=True)
    time.sleep(float(sys.argv[3]))
sys.exit(7)
"""


@pytest.fixture
def asking(tmp_path):
    script = tmp_path / "asks.py"
    script.write_text(ASKS)
    return lambda *words: " ".join([sys.executable, str(script), *words])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "title"), [("postgres", "PostgreSQL"), ("valkey", "Valkey")]
)
def test_a_command_meets_the_weather(asking, name, title):
    process = chaos(name, "latency=0.6", "--run", asking(name, "3", "0"))
    said, _ = process.communicate(timeout=60)
    lines = [line for line in said.splitlines() if "passed" not in line]

    assert lines[0].startswith(f"{title} is reached through 127.0.0.1:")
    assert sorted(lines[1:]) == [
        f"{title} from now on: latency 0.6.",
        "late",
        "late",
        "late",
    ]
    # What the command ended with.
    assert process.returncode == 7


@pytest.mark.slow
def test_the_weather_ends_while_the_command_goes_on(asking):
    words = ("--seconds", "6", "--run", asking("valkey", "1000", "0.1"))
    process = chaos("valkey", "latency=0.6", *words)
    said, _ = process.communicate(timeout=60)

    # It has left by its own will, which it does once an answer came soon after a late one.
    assert process.returncode == 7
    assert "late\n" in said
    assert "soon" in said.splitlines()[-2:]


@pytest.mark.slow
def test_ctrl_c_ends_the_command_too(asking):
    with chaos(
        "postgres", "down", "--after", "60", "--run", asking("valkey", "9", "60")
    ) as p:
        p.stdout.readline()
        assert p.stdout.readline() == "soon\n"
        p.send_signal(signal.SIGTERM)
        rest = p.stdout.read()

    # Its end closed the pipe that both write to.
    assert (rest, p.returncode) == ("", 0)


@pytest.mark.slow
def test_without_a_command_it_says_where_it_listens():
    with chaos("valkey", "latency=0.1") as process:
        said = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()

    assert "with REDIS_URL leading there" in said[1]
    assert said[2] == "Valkey from now on: latency 0.1.\n"
    assert process.returncode == 0


@pytest.mark.slow
def test_a_command_that_there_is_not_is_named():
    said, _ = chaos("valkey", "down", "--run", "/nothing/here").communicate(timeout=60)

    assert said.endswith(
        "CommandError: /nothing/here can't be started: No such file or directory.\n"
    )
