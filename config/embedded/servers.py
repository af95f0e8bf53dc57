"""Both servers as one thing that a command starts, shares with other commands, and stops."""

import errno
import fcntl
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from config.embedded import postgres, valkey
from config.embedded.binaries import find_binaries
from config.embedded.errors import EmbeddedError
from config.embedded.places import FOLDER, Places, database_url, places, redis_url

JOIN_SECONDS = 60.0
NEEDED_BYTES = 100_000_000
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class EmbeddedServers:
    """The servers of one ``var/``: the first to start them owns them, later ones join.

    The owner stops them when the last one that joined is done. Locks of the kernel tell who is alive, so a
    starter killed with ``kill -9`` leaves nothing that the next start would wait for.
    """

    def __init__(
        self,
        var_dir: Path | str,
        *,
        durable: bool = True,
        with_postgres: bool = True,
        with_valkey: bool = True,
    ) -> None:
        self.var_dir = Path(var_dir).resolve()
        self.places: Places = places(self.var_dir)
        self.is_owner = False
        self._durable = durable
        self._wanted = (with_postgres, with_valkey)
        self._locks: list[IO[str]] = []
        self._running: list[postgres.Postgres | valkey.Valkey] = []

    @property
    def database_url(self) -> str:
        return database_url(self.var_dir)

    @property
    def redis_url(self) -> str:
        return redis_url(self.var_dir)

    @property
    def pids(self) -> list[int]:
        """The servers that this object started."""
        return [server.pid for server in self._running if server.pid]

    def start(self) -> None:
        """Start the servers, or join those that another command runs.

        :raises EmbeddedError: with the reason in one sentence; nothing is left running.
        """
        try:
            self._prepare()
            self._own_or_join()
        except EmbeddedError:
            self.stop()
            raise
        except OSError as error:
            self.stop()
            raise EmbeddedError(self._explain(error)) from error

    def stop(self) -> None:
        """Stop what this object started, after the last command that joined it."""
        if self.is_owner:
            self._wait_for_others()
            for server in reversed(self._running):
                server.stop()
        self._running.clear()
        self.is_owner = False
        while self._locks:
            self._locks.pop().close()

    def destroy(self) -> bool:
        """Stop, and remove every file; do nothing and say so when another command uses them."""
        if not (self.is_owner or self._take_over()):
            return False
        self.stop()
        for folder in (self.places.home, self.places.sockets):
            shutil.rmtree(folder, ignore_errors=True)
        link = self.var_dir / FOLDER
        if link.is_symlink():
            link.unlink()
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        self.var_dir.mkdir(parents=True, exist_ok=True)
        home = self.places.home
        _own_folder(home, mode=0o755)
        _own_folder(self.places.sockets, mode=0o755)
        link = self.var_dir / FOLDER
        if home != link and not link.is_symlink():
            link.symlink_to(home, target_is_directory=True)

    def _take_over(self) -> bool:
        """Become the owner without starting anything, and end what a killed owner left."""
        try:
            self._prepare()
            if not _try_lock(self._open("owner.lock")):
                self.stop()
                return False
            postgres.end_orphan(self.places)
            valkey.end_orphan(self.places)
        except OSError as error:
            self.stop()
            raise EmbeddedError(self._explain(error)) from error
        return True

    def _own_or_join(self) -> None:
        users = self._open("users.lock")
        fcntl.flock(users, fcntl.LOCK_SH)
        owner = self._open("owner.lock")
        deadline = time.monotonic() + JOIN_SECONDS
        while not _try_lock(owner):
            if self._all_answer():
                return
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"Another command holds the servers in {self.places.home} but they do not answer: stop it first."
                )
            time.sleep(0.05)
        self.is_owner = True
        self._start_servers()

    def _open(self, name: str) -> IO[str]:
        lock = (self.places.home / name).open("a")
        self._locks.append(lock)
        return lock

    def _start_servers(self) -> None:
        if shutil.disk_usage(self.places.home).free < NEEDED_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for server in self._servers():
            self._running.append(server)
            server.start()

    def _servers(self) -> list[postgres.Postgres | valkey.Valkey]:
        binaries = find_binaries()
        with_postgres, with_valkey = self._wanted
        servers: list[postgres.Postgres | valkey.Valkey] = []
        if with_postgres:
            servers.append(
                postgres.Postgres(self.places, binaries, durable=self._durable)
            )
        if with_valkey:
            servers.append(valkey.Valkey(self.places, binaries, durable=self._durable))
        return servers

    def _all_answer(self) -> bool:
        sockets = (self.places.postgres_socket, self.places.valkey_socket)
        return all(
            _answers(path)
            for path, wanted in zip(sockets, self._wanted, strict=True)
            if wanted
        )

    def _wait_for_others(self) -> None:
        users = self._locks[0]
        if _try_lock(users):
            return
        sys.stderr.write(
            "Another command still uses the built-in servers; they stop when it ends.\n"
        )
        fcntl.flock(users, fcntl.LOCK_EX)

    def _explain(self, error: OSError) -> str:
        folder = self.places.home
        if error.errno in NO_SPACE:
            return f"The disk that holds {folder} is full: the servers need 100 MB to start, so free some and start again."
        if error.errno in (errno.EACCES, errno.EPERM):
            return f"{error.filename or folder} belongs to another user: start as that user, or remove {folder}."
        return f"The servers in {folder} do not start: {error.strerror} ({error.filename})."


def require_free_port(host: str, port: int) -> None:
    """Refuse a port that somebody listens on.

    :raises EmbeddedError: naming the port and the variable that moves us.
    """
    # A listener with SO_REUSEPORT lets a second one bind, hence the call first.
    with socket.socket() as caller:
        caller.settimeout(1.0)
        taken = caller.connect_ex((host, port)) == 0
    if not taken:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise EmbeddedError(
                        f"Port {port} on {host} cannot be used: {error.strerror}."
                    ) from error
                taken = True
    if taken:
        raise EmbeddedError(
            f"Port {port} is already in use: stop what listens there, or choose another with PORT=…."
        )


def _own_folder(folder: Path, *, mode: int) -> None:
    """Make the folder, and refuse one that somebody else put at a name they could guess."""
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or folder.is_symlink():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    folder.chmod(mode)


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(path))
    except OSError:
        return False
    return True
