"""Start a server that does not outlive us, and end one that did."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from config.embedded.account import Account

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.01


def start_tethered(
    command: Sequence[str],
    *,
    log: IO[bytes],
    account: Account,
    death_signal: signal.Signals,
) -> subprocess.Popen[bytes]:
    """Start a server in its own session, so that Ctrl-C reaches us only and we stop it in order."""
    # PGDATA, PGPORT and the like would change what PostgreSQL's programs do.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    return subprocess.Popen(  # noqa: S603 -- the program we found ourselves
        command,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # Called by a program that has no second thread yet, hence safe.
        preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509 -- the only way to ask before exec
        **account.popen_options(),
    )


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Make the callback by which a child asks Linux to be signalled when we are gone."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), death_signal)

    return ask


def tether(death_signal: signal.Signals) -> None:
    """Ask Linux to signal this process, and what it may exec, when its parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(
            PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0
        )


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def marked(name: str, value: str) -> list[int]:
    """Find the other processes that were started with this variable in their environment."""
    found = []
    for pid in _process_ids():
        variables = _environment(pid)
        if pid != os.getpid() and f"{name}={value}" in variables:
            found.append(pid)
    return [pid for pid in found if is_running(pid)]


def end_all(pids: Sequence[int], *, seconds: float) -> None:
    """Ask all of them to end at once, and insist after some seconds."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for pid in filter(is_running, pids):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if wait_until(lambda: not any(map(is_running, pids)), patience):
            return


def command_line(pid: int) -> str:
    """Read a process's command line; empty when there is no such process."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode(errors="replace")
        )
    except OSError:
        if sys.platform == "linux":
            return ""
    shown = subprocess.run(  # noqa: S603 -- a number is all that varies
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        check=False,
        text=True,
    )
    return shown.stdout.strip()


def end(pid: int, steps: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each signal in turn and wait its seconds; tell whether the process is gone."""
    for number, seconds in steps:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if wait_until(lambda: not is_running(pid), seconds):
            return True
    return False


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_zombie(pid: int) -> bool:
    """Tell whether it has ended and merely nobody has waited for it."""
    try:
        # The name in brackets may hold anything; the state is the first word after it.
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        )
    except (OSError, IndexError):
        return False


def _process_ids() -> list[int]:
    if sys.platform == "linux":
        return [
            int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()
        ]
    shown = subprocess.run(
        ["/bin/ps", "-axo", "pid="], capture_output=True, check=False, text=True
    )
    return [int(pid) for pid in shown.stdout.split()]


def _environment(pid: int) -> list[str]:
    """Read the variables a process began with; none when it is somebody else's."""
    if sys.platform == "linux":
        try:
            content = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return []
        return content.decode(errors="replace").split("\0")
    shown = subprocess.run(  # noqa: S603 -- a number is all that varies
        ["/bin/ps", "-wwEo", "command=", "-p", str(pid)],
        capture_output=True,
        check=False,
        text=True,
    )
    return shown.stdout.split()
