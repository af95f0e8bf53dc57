"""One embedded Valkey: start it, stop it, and end one left by a killed parent."""

import signal
import socket
from typing import TYPE_CHECKING

from config.embedded import processes
from config.embedded.account import Account
from config.embedded.binaries import Binaries
from config.embedded.errors import EmbeddedError
from config.embedded.places import Places
from config.embedded.postgres import explain

if TYPE_CHECKING:
    import subprocess

START_SECONDS = 60.0
STOP = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
DATABASES = 64


class Valkey:
    def __init__(self, places: Places, binaries: Binaries, *, durable: bool) -> None:
        self._places = places
        self._program = binaries.valkey_server
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._places.valkey.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._places.sockets.mkdir(parents=True, exist_ok=True)
        end_orphan(self._places)
        log_path = self._places.valkey / "log"
        with log_path.open("wb") as log:
            self._process = processes.start_tethered(
                [str(self._program), *self._settings()],
                log=log,
                account=Account.own(),
                death_signal=signal.SIGTERM,
            )
        (self._places.valkey / "pid").write_text(str(self._process.pid))
        ended = self._process
        processes.wait_until(
            lambda: ended.poll() is not None or self.is_ready(), START_SECONDS
        )
        if not self.is_ready():
            self.stop()
            raise EmbeddedError(
                explain(
                    "Valkey", log_path.read_text(errors="replace"), self._places.valkey
                )
            )

    def stop(self) -> None:
        if self._process is None:
            return
        processes.end(self._process.pid, STOP)
        self._process.wait()
        self._process = None

    def is_ready(self) -> bool:
        """Tell whether it answers, and no longer that it is loading its file."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._places.valkey_socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _settings(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._places.valkey_socket),
            "unixsocketperm": "700",
            "dir": str(self._places.valkey),
            "databases": str(DATABASES),
            "save": "",
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            # An orphan is recognised by its command line, which must therefore stay as given.
            "set-proc-title": "no",
        }
        return [
            argument
            for name, value in settings.items()
            for argument in (f"--{name}", value)
        ]


def end_orphan(places: Places) -> None:
    """End a server whose starter was killed, and forget the files of one that is gone."""
    pid_file = places.valkey / "pid"
    pid = int(pid_file.read_text() or 0) if pid_file.exists() else 0
    if (
        pid
        and str(places.valkey_socket) in processes.command_line(pid)
        and not processes.end(pid, STOP)
    ):
        raise EmbeddedError(
            f"An older Valkey (process {pid}) does not stop: end it and start again."
        )
    pid_file.unlink(missing_ok=True)
    places.valkey_socket.unlink(missing_ok=True)
