"""Where the servers keep their files and sockets, worked out from ``var/`` without touching it.

Settings ask for the addresses before anything runs, so the same ``var/`` always gives the same answer.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from config.embedded.account import ROOT, postgres_account

# sun_path holds 108 bytes with its closing NUL on Linux, 104 on macOS.
SOCKET_PATH_LIMIT = 103 if os.uname().sysname == "Darwin" else 107
POSTGRES_PORT = 5432
POSTGRES_SOCKET_NAME = f".s.PGSQL.{POSTGRES_PORT}"
DATABASE = "shopwright"
FOLDER = "embedded"
# Where root's servers live when their own account cannot enter the clone, as under a 0700 home.
SYSTEM_STATE = Path("/var/lib")


@dataclass(frozen=True)
class Places:
    home: Path
    sockets: Path

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        return self.postgres / "data"

    @property
    def postgres_log(self) -> Path:
        return self.postgres / "log"

    @property
    def postgres_sockets(self) -> Path:
        return self.sockets / "pg"

    @property
    def postgres_socket(self) -> Path:
        return self.postgres_sockets / POSTGRES_SOCKET_NAME

    @property
    def valkey(self) -> Path:
        return self.home / "valkey"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey.sock"


def places(var_dir: Path | str) -> Places:
    var = Path(var_dir).resolve()
    home = _home(var)
    sockets = home / "run"
    if (
        len(os.fsencode(sockets / "pg" / f"{POSTGRES_SOCKET_NAME}.lock"))
        > SOCKET_PATH_LIMIT
    ):
        sockets = Path(tempfile.gettempdir()) / f"shopwright-{_short_name(home)}"
        if len(os.fsencode(sockets)) > SOCKET_PATH_LIMIT // 2:
            sockets = Path("/tmp") / sockets.name  # noqa: S108 -- named by a hash and checked for its owner
    return Places(home, sockets)


@cache
def _home(var: Path) -> Path:
    if os.geteuid() != ROOT:
        return var / FOLDER
    nearest = next(path for path in (var, *var.parents) if path.exists())
    if postgres_account().can_enter(nearest):
        return var / FOLDER
    return SYSTEM_STATE / f"shopwright-{_short_name(var)}"


def _short_name(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def database_url(var_dir: Path | str) -> str:
    """Tell the DATABASE_URL of the embedded PostgreSQL, running or not."""
    folder = quote(str(places(var_dir).postgres_sockets), safe="/")
    return f"postgresql://{DATABASE}@/{DATABASE}?host={folder}"


def redis_url(var_dir: Path | str, database: int = 0) -> str:
    """Tell the REDIS_URL of the embedded Valkey, running or not."""
    return f"unix://{quote(str(places(var_dir).valkey_socket), safe='/')}?db={database}"
