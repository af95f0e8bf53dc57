"""Typed readers of the environment. A bad value stops the start and names itself."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off"}


def env_str(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, *, default: bool) -> bool:
    text = env_str(name).lower()
    if not text:
        return default
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}.")


def env_int(name: str, default: int, *, minimum: int = 0) -> int:
    text = env_str(name)
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        message = f"{name} must be a whole number, not {text!r}."
        raise ImproperlyConfigured(message) from None
    if number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}.")
    return number


def env_list(name: str, default: list[str] | None = None) -> list[str]:
    """Read a comma-separated list; blanks around and between entries are dropped."""
    parts = [part.strip() for part in env_str(name).split(",")]
    return [part for part in parts if part] or list(default or [])


def env_choice(name: str, default: str, *, choices: set[str]) -> str:
    text = env_str(name, default)
    if text not in choices:
        allowed = ", ".join(sorted(choices))
        raise ImproperlyConfigured(f"{name} must be one of {allowed}, not {text!r}.")
    return text


def env_secret(name: str, default: str = "") -> str:
    """Read ``NAME``, or the file that ``NAME_FILE`` names; a missing file is an error."""
    path = env_str(f"{name}_FILE")
    if not path:
        return env_str(name, default)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{name}_FILE names {path!r}, which can't be read: {error.strerror}."
        raise ImproperlyConfigured(message) from error


def load_env_file(path: Path) -> None:
    """Take ``NAME=value`` lines into the environment; what is set there already wins."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SystemExit(f"{path}, line {number}: not of the form NAME=value.")
        os.environ.setdefault(name.strip(), value.strip().strip("\"'"))
