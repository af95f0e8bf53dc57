"""Make ``.venv`` hold exactly what the lock names. Runs on a bare Python, before anything is installed.

A later start costs one comparison of a stamp with the lock. A ``.venv`` that is a symbolic link belongs to somebody
else, who keeps it as it should be: nothing is installed into it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON = (3, 11)
PYTHONS = ("python3.13", "python3.12", "python3.11", "python3.14")
UV = "uv==0.13.8"
CACHES = (
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".import_linter_cache",
    ".hypothesis",
    "htmlcov",
    "staticfiles",
)


class Environment:
    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self.folder = folder
        self.root = root
        self.python = folder / "bin" / "python"
        self.stamp = folder / ".installed"

    def is_ready(self, *, dev: bool) -> bool:
        if not self.python.exists():
            return False
        if self.folder.is_symlink():
            return True
        # What the tests need contains what the shop needs.
        accepted = (
            {self.fingerprint(dev=True)}
            if dev
            else {self.fingerprint(dev=True), self.fingerprint(dev=False)}
        )
        return self.stamp.is_file() and self.stamp.read_text() in accepted

    def install(self, *, dev: bool) -> None:
        lock = self.lock(dev=dev)
        say(f"Installing {lock.name} into {self.folder.name}, once.")
        self.stamp.unlink(missing_ok=True)
        if not self.python.exists():
            self._create()
        if not self._install_with_uv(lock):
            say("uv is of no use here; pip takes a minute or two.")
            self._install_with_pip(lock)
        self.stamp.write_text(self.fingerprint(dev=dev))

    def lock(self, *, dev: bool) -> Path:
        return self.root / ("requirements-dev.txt" if dev else "requirements.txt")

    def fingerprint(self, *, dev: bool) -> str:
        return hashlib.sha256(self.lock(dev=dev).read_bytes()).hexdigest()

    def _create(self) -> None:
        if not run(sys.executable, "-m", "venv", "--clear", str(self.folder)):
            shutil.rmtree(self.folder, ignore_errors=True)
            sys.exit(
                "This Python cannot make environments: install its venv module "
                "(Debian: python3-venv) and run make again."
            )

    def _install_with_uv(self, lock: Path) -> bool:
        uv = shutil.which("uv")
        if uv is None:
            uv = str(self.folder / "bin" / "uv")
            quiet = ("--quiet", "--disable-pip-version-check")
            if not run(str(self.python), "-m", "pip", "install", *quiet, UV):
                return False
        # The machine's own certificates, as behind a company's proxy.
        options = ("--quiet", "--system-certs", "--require-hashes", *cache_options())
        return run(uv, "pip", "sync", *options, "--python", str(self.python), str(lock))

    def _install_with_pip(self, lock: Path) -> None:
        options = ("--quiet", "--require-hashes", "-r", str(lock))
        if not run(str(self.python), "-m", "pip", "install", *options):
            sys.exit(
                "The packages cannot be installed: see the lines above, then run make again."
            )


def cache_options() -> tuple[str, ...]:
    """Let uv do without its cache where the home can't be written, as of service accounts."""
    named = os.environ.get("UV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(named) if named else Path.home() / ".cache"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return ("--no-cache",)
    return () if os.access(folder, os.W_OK) else ("--no-cache",)


def run(*command: str) -> bool:
    finished = subprocess.run(command, check=False)  # noqa: S603 -- no word of it comes from outside
    return finished.returncode == 0


def clean() -> None:
    """Remove what make made, and refuse while the shop runs."""
    # Needs a newer Python than this file must be readable for.
    from config.embedded import EmbeddedError, EmbeddedServers  # noqa: PLC0415 -- see above

    var = Path(os.environ.get("VAR_DIR") or ROOT / "var")
    try:
        if var.exists() and not EmbeddedServers(var).destroy():
            sys.exit("The shop is running: stop it with Ctrl-C first.")
    except EmbeddedError as error:
        sys.exit(str(error))
    environment = ROOT / ".venv"
    if environment.is_symlink():
        environment.unlink()
    for folder in (var, environment, *(ROOT / name for name in CACHES)):
        shutil.rmtree(folder, ignore_errors=True)


def use_new_enough_python() -> None:
    """Go on as a Python that is new enough, if the one named ``python3`` is not."""
    if sys.version_info >= OLDEST_PYTHON:
        return
    found = next(filter(None, map(shutil.which, PYTHONS)), None)
    if found is None:
        sys.exit(
            "Shopwright needs Python 3.11 or later; name one with `make PYTHON=/path/to/python3.11 …`."
        )
    os.execv(found, [found, "-m", "config.install", *sys.argv[1:]])  # noqa: S606 -- becomes that Python


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    use_new_enough_python()
    parser = argparse.ArgumentParser(
        prog="python -m config.install", description=__doc__
    )
    parser.add_argument(
        "--dev", action="store_true", help="what the tests and linters need, too"
    )
    parser.add_argument("--clean", action="store_true", help="remove what make made")
    options = parser.parse_args()
    if options.clean:
        clean()
        return
    environment = Environment(ROOT / ".venv")
    if not environment.is_ready(dev=options.dev):
        environment.install(dev=options.dev)


if __name__ == "__main__":
    main()
