import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

import psycopg
import pytest
import redis
from django.core.management import CommandError, call_command

from config.chaos import ChaosError, Server, described, parse_faults, put_back, servers
from config.embedded import EmbeddedServers
from config.embedded.places import DATABASE
from config.processes import simulator_socket
from core.http_client import Client
from core.protection.fault_proxy import Faults
from core.tests.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("words", "faults", "said"),
    [
        (
            ["latency=0.3", "jitter=0.1"],
            Faults(latency=0.3, jitter=0.1),
            "latency 0.3, jitter 0.1",
        ),
        (["down"], Faults(down=True), "down"),
        (["reset=0"], Faults(reset=0), "reset 0"),
        (["slices=100", "limit=5000"], Faults(slices=100, limit=5000), None),
        (["timeout=5", "bandwidth=1000", "slow_close=2"], None, None),
    ],
)
def test_faults_are_read_from_words(words, faults, said):
    read = parse_faults(words)

    assert faults in {None, read}
    assert said in {None, described(read)}


@pytest.mark.parametrize(
    "word",
    [
        *("latancy=1", "latency", "latency=", "latency=-1", "latency=nan"),
        *("latency=inf", "down=1", "slices=x", "=1", ""),
    ],
)
def test_a_word_that_cannot_be_read_is_named(word):
    with pytest.raises(ChaosError) as error:
        parse_faults([word])

    assert repr(word.partition("=")[0])[:-1] in str(error.value)


def test_production_is_never_spoilt(settings):
    settings.DEV_TOOLS = False

    with pytest.raises(CommandError) as error:
        call_command("chaos", "postgres", "down")

    assert str(error.value) == (
        "chaos breaks connections on purpose: it runs under local settings only, never in production."
    )


@pytest.fixture
def unnamed(monkeypatch):
    """Leave the shop its built-in servers."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.mark.usefixtures("unnamed")
def test_chaos_needs_a_shop_that_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))

    with pytest.raises(CommandError) as error:
        call_command("chaos", "valkey", "down", stdout=StringIO())

    assert str(error.value) == (
        "Valkey doesn't run here: start the shop with `make run` first."
    )


@pytest.fixture
def running():
    """Servers of our own, as `make run` has them."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    folder.chmod(0o755)
    own = EmbeddedServers(folder / "var", durable=False)
    own.start()
    yield own
    own.stop()
    own.destroy()
    shutil.rmtree(folder)


def environment(var):
    ours = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"VAR_DIR": str(var)}


def chaos(var, *words):
    return subprocess.Popen(
        [sys.executable, "manage.py", "chaos", *words],
        cwd=ROOT,
        env=environment(var),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ask_postgres(servers):
    started = time.monotonic()
    with psycopg.connect(
        host=str(servers.places.postgres_sockets), user=DATABASE, dbname=DATABASE
    ) as own:
        assert own.execute("SELECT 5").fetchone() == (5,)
    return time.monotonic() - started


@pytest.mark.slow
def test_chaos_spoils_what_runs_and_puts_it_back(running):
    there = psycopg.connect(
        host=str(running.places.postgres_sockets), user=DATABASE, dbname=DATABASE
    )
    process = chaos(running.var_dir, "postgres", "latency=0.5")
    with process:
        assert process.stdout.readline() == (
            "PostgreSQL is behind the fault proxy: latency 0.5.\n"
        )
        assert process.stdout.readline() == "Ctrl-C puts everything back.\n"
        # Who was connected already doesn't go past the proxy.
        with there, pytest.raises(psycopg.OperationalError):
            there.execute("SELECT 5")
        # Its start and the question are late, each by itself.
        assert ask_postgres(running) >= 1

        refused = chaos(running.var_dir, "postgres", "down")
        said, _ = refused.communicate(timeout=30)
        assert said == "CommandError: Another chaos has PostgreSQL already.\n"

        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()

    assert rest.endswith("PostgreSQL is reached directly again.\n")
    assert "Traceback" not in rest
    assert process.returncode == 0
    assert ask_postgres(running) < 0.5
    assert not list((running.places.postgres_sockets / "behind").iterdir())


@pytest.mark.slow
def test_chaos_ends_by_itself_and_heals_what_a_killed_one_left(running):
    killed = chaos(running.var_dir, "valkey", "down")
    with killed:
        killed.stdout.readline()
        killed.kill()
    client = redis.Redis.from_url(running.redis_url)
    with client, pytest.raises(redis.ConnectionError):
        client.ping()

    healing = chaos(running.var_dir, "valkey", "latency=0.1", "--seconds", "1")
    said, _ = healing.communicate(timeout=60)

    assert healing.returncode == 0, said
    assert said.splitlines() == [
        "An earlier chaos was killed; Valkey is put back.",
        "Valkey is behind the fault proxy: latency 0.1.",
        "Ctrl-C puts everything back.",
        "Valkey is reached directly again.",
    ]
    with redis.Redis.from_url(running.redis_url) as client:
        assert client.ping()


@pytest.mark.slow
def test_the_provider_is_spoilt_for_calls_that_keep_their_connection(running):
    path = simulator_socket(running.var_dir)
    command = [sys.executable, "-m", "orders.payments.simulator", "--port", "0"]
    files = ["--socket", str(path), "--ledger", str(running.var_dir / "ledger")]
    shop = Client(f"unix://{path}", name="test", internal=True)
    with subprocess.Popen(
        [*command, *files], cwd=ROOT, stdout=subprocess.PIPE
    ) as simulator:
        simulator.stdout.readline()
        assert shop.get("/health").status == 200

        with chaos(running.var_dir, "provider", "latency=0.5") as process:
            process.stdout.readline()
            late = wait_until(lambda: seconds_of(shop) >= 0.5)
            process.send_signal(signal.SIGTERM)
            process.stdout.read()

        assert (late, process.returncode) == (True, 0)
        assert shop.get("/health").status == 200
        simulator.kill()
    shop.close()


def seconds_of(shop):
    started = time.monotonic()
    assert shop.get("/health").status == 200
    return time.monotonic() - started


def listening(path):
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(path))
    own.listen()
    return own


@pytest.mark.parametrize("is_running", [False, True])
def test_what_a_server_has_left_behind_long_ago_is_not_put_back(tmp_path, is_running):
    """Started anew, it has its socket again, and what lies behind leads nowhere."""
    server = Server("A server", tmp_path / "socket", print)
    server.behind.parent.mkdir()
    listening(server.behind).close()
    own = listening(server.socket) if is_running else None

    assert put_back(server) is False
    assert not server.behind.exists()
    if own is not None:
        own.close()


def test_what_was_never_taken_is_not_put_back(tmp_path):
    assert put_back(Server("A server", tmp_path / "socket", print)) is False
    assert set(servers()) == {"postgres", "valkey", "provider"}
