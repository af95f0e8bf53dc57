"""Whom PostgreSQL runs as: ourselves, or a plain account when we are root, which it refuses."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from config.embedded.errors import EmbeddedError

CANDIDATES = ("postgres", "nobody")
ROOT = 0


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    @classmethod
    def own(cls) -> Self:
        return cls(os.geteuid(), os.getegid())

    @property
    def is_self(self) -> bool:
        return self.uid == os.geteuid()

    def popen_options(self) -> dict[str, Any]:
        if self.is_self:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def owns(self, path: Path) -> None:
        """Hand ``path`` to this account and shut everyone else out."""
        if not self.is_self:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700)

    def can_enter(self, folder: Path) -> bool:
        return self._can("/bin/sh", "-c", 'test -x "$0"', str(folder))

    def can_run(self, program: Path) -> bool:
        """Tell whether the program starts, shared libraries and all."""
        return self._can(str(program), "--version")

    def _can(self, *command: str) -> bool:
        try:
            # The command's own folder may be closed to the account, so start from one that is not.
            finished = subprocess.run(  # noqa: S603 -- our own binaries and test(1)
                command,
                cwd="/",
                capture_output=True,
                check=False,
                timeout=30,
                **self.popen_options(),
            )
        except PermissionError:
            return False
        return finished.returncode == 0


def postgres_account() -> Account:
    """Name the account for PostgreSQL.

    :raises EmbeddedError: when we are root and the machine has no account to step down to.
    """
    if os.geteuid() != ROOT:
        return Account.own()
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != ROOT:
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root and this machine has neither a `postgres` nor a `nobody` "
        "account: start as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )
