"""Let a management command find its servers, whether or not ``manage.py up`` is running."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from config.embedded.errors import EmbeddedError
from config.embedded.servers import EmbeddedServers

BASE_DIR = Path(__file__).resolve().parents[2]
# These ask nothing of the servers, start them on their own terms, or must see them as they are.
WITHOUT_SERVERS = {
    "-h",
    "--help",
    "--version",
    "chaos",
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "doctor",
    "help",
    "makemessages",
    "spectacular",
    "startapp",
    "startproject",
    "up",
    "version",
}


@contextmanager
def servers_for(argv: Sequence[str]) -> Iterator[None]:
    """Run the built-in servers for as long as the command, unless they run already or are not wanted."""
    servers = wanted_servers() if _needs_servers(argv) else None
    if servers is None:
        yield
        return
    try:
        servers.start()
    except EmbeddedError as error:
        sys.exit(str(error))
    try:
        if servers.is_owner:
            sys.stderr.write("Built-in servers started for this command.\n")
        yield
    finally:
        servers.stop()


def wanted_servers() -> EmbeddedServers | None:
    """Make the servers that no variable points elsewhere; None when both are given."""
    postgres = not os.environ.get("DATABASE_URL")
    valkey = not os.environ.get("REDIS_URL")
    if not (postgres or valkey):
        return None
    return EmbeddedServers(var_dir(), with_postgres=postgres, with_valkey=valkey)


def var_dir() -> Path:
    return Path(os.environ.get("VAR_DIR") or BASE_DIR / "var")


def _needs_servers(argv: Sequence[str]) -> bool:
    if len(argv) < 2 or argv[1] in WITHOUT_SERVERS or "--help" in argv:  # noqa: PLR2004 -- program and command
        return False
    # Production names its servers or refuses to start.
    return not os.environ["DJANGO_SETTINGS_MODULE"].endswith(".production")
