"""Look at everything the shop stands on, and say what is wrong and how to mend it."""

import shutil
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from config.connections import reason, require_database, require_valkey
from config.embedded import EmbeddedError, database_url, redis_url
from core import audit_watch
from core.encryption import current_key
from core.heartbeat import STALE_AFTER_SECONDS, last_heartbeat
from core.key_proofs import lost_keys
from core.models import Switch
from core.protection.switches import SETTINGS, Protection, mode_from_environment

OLDEST_POSTGRES = 14
SHORTEST_SECRET = 50
FEWEST_CHARACTERS = 5
LEAST_FREE_BYTES = 500_000_000
LARGEST_SKEW = timedelta(seconds=2)


class UnwellError(Exception):
    """Something is wrong with the shop's surroundings, and this mends it."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.cure = cure


class UnreachableError(UnwellError):
    """A server does not answer, so what lies on it can't be looked at."""


@dataclass(frozen=True)
class Finding:
    name: str
    said: str
    # Empty when all is well.
    cure: str = ""
    is_reached: bool = True

    @property
    def is_well(self) -> bool:
        return not self.cure


def examine() -> list[Finding]:
    """Make every check; one that fails keeps only those that build on it from being made."""
    findings: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        ground = NEEDS.get(name)
        if ground and not findings[ground].is_reached:
            findings[name] = Finding(
                name,
                f"Can't be told without the {ground}.",
                f"Mend the {ground} first.",
            )
        else:
            findings[name] = _finding(name, check)
    return list(findings.values())


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, check())
    except UnreachableError as error:
        return Finding(name, error.problem, error.cure, is_reached=False)
    except UnwellError as error:
        return Finding(name, error.problem, error.cure)


def check_database() -> str:
    try:
        require_database()
    except EmbeddedError as error:
        if database_url(settings.VAR_DIR) == settings.DATABASE_URL:
            raise UnwellError(
                "The built-in PostgreSQL is not running.", START
            ) from error
        raise UnreachableError(
            str(error), "Correct DATABASE_URL, or start the server it names."
        ) from error
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int / 10000, current_setting('fsync')"
        )
        version, fsync = cursor.fetchone()
    if version < OLDEST_POSTGRES:
        raise UnwellError(
            f"PostgreSQL {version} is too old.",
            f"Upgrade to PostgreSQL {OLDEST_POSTGRES} or later.",
        )
    if fsync != "on":
        raise UnwellError(
            "PostgreSQL runs with fsync off: a crash may lose or spoil orders.",
            "Set fsync = on.",
        )
    return f"PostgreSQL {version} answers."


def check_migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        first = f"{plan[0][0].app_label}.{plan[0][0].name}"
        raise UnwellError(
            f"{len(plan)} migrations are not applied, {first} first.",
            "Run `python manage.py migrate`.",
        )
    return "The database has the form that the code expects."


def check_valkey() -> str:
    try:
        require_valkey()
    except EmbeddedError as error:
        if redis_url(settings.VAR_DIR) == settings.REDIS_URL:
            raise UnreachableError(
                "The built-in Valkey is not running.", START
            ) from error
        raise UnreachableError(
            str(error), "Correct REDIS_URL, or start the server it names."
        ) from error
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        # Managed servers may forbid CONFIG; INFO tells the same.
        policy = client.info("memory")["maxmemory_policy"]
    if policy != "noeviction":
        raise UnwellError(
            f"Valkey throws away keys when it is full ({policy}), queued tasks among them.",
            "Set maxmemory-policy to noeviction.",
        )
    return "Valkey answers and throws nothing away."


def check_worker() -> str:
    return _check_heartbeat("worker", "Background work, mail included, stands still.")


def check_beat() -> str:
    return _check_heartbeat(
        "beat",
        "Nothing that happens by itself does: holds don't expire, mail is not retried.",
    )


def check_mail() -> str:
    backend = settings.EMAIL_BACKEND
    if backend.endswith("filebased.EmailBackend"):
        folder = Path(settings.EMAIL_FILE_PATH)
        _write_probe(folder, "Mail")
        return f"Mail is written to {folder}."
    if not backend.endswith("smtp.EmailBackend"):
        return f"Mail goes to {backend}."
    try:
        with get_connection(timeout=5):
            pass
    except (OSError, smtplib.SMTPException) as error:
        address = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        raise UnwellError(
            f"The mail server {address} does not take mail: {reason(error)}.",
            "Correct EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD or EMAIL_USE_TLS.",
        ) from error
    return f"The mail server {settings.EMAIL_HOST} answers."


def check_storage() -> str:
    try:
        name = default_storage.save(f"doctor-{uuid4().hex}.txt", ContentFile(b"well"))
        with default_storage.open(name) as file:
            content = file.read()
        default_storage.delete(name)
    except OSError as error:
        raise UnwellError(
            f"Files can't be stored: {error}.",
            f"Let this account write to {settings.MEDIA_ROOT}.",
        ) from error
    if content != b"well":
        raise UnwellError(
            "A stored file came back changed.",
            "Look at the storage that STORAGES names.",
        )
    free = shutil.disk_usage(_existing(Path(settings.VAR_DIR))).free
    if free < LEAST_FREE_BYTES:
        raise UnwellError(
            f"Only {free // 1_000_000} MB are free where {settings.VAR_DIR} lies.",
            f"Free {LEAST_FREE_BYTES // 1_000_000} MB or more, or move VAR_DIR.",
        )
    return "Files can be written and read."


def check_secrets() -> str:
    if settings.DEV_TOOLS:
        return "Local settings need no secrets; they must not serve real customers."
    key = settings.SECRET_KEY
    if (
        len(key) < SHORTEST_SECRET
        or len(set(key)) < FEWEST_CHARACTERS
        or key.startswith(("django-insecure", "local-only"))
    ):
        raise UnwellError(
            "SECRET_KEY can be guessed.",
            "Set it to what `python -c 'import secrets; print(secrets.token_urlsafe(60))'` prints.",
        )
    return "SECRET_KEY is long and mixed."


def check_keys() -> str:
    try:
        lost = lost_keys()
    except ImproperlyConfigured as error:
        raise UnwellError(str(error), KEYS_CURE) from error
    if lost:
        raise UnwellError(lost[0], KEYS_CURE)
    return f"Encrypted data can be read; new data is sealed with the key {current_key().id!r}."


def check_clock() -> str:
    with connection.cursor() as cursor:
        before = datetime.now(UTC)
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
        waited = datetime.now(UTC) - before
    skew = abs(theirs - (before + waited / 2))
    if skew > LARGEST_SKEW:
        raise UnwellError(
            f"This machine's clock and the database's differ by {skew.total_seconds():.1f} s.",
            "Let both follow NTP, for example with chrony.",
        )
    return "This machine and the database agree on the time."


def check_audit() -> str:
    found = audit_watch.status()
    if found["status"] == "broken":
        raise UnwellError(
            f"The audit log is broken: entries were changed, removed or put in. Found at {found['broken_since']}.",
            "Run `python manage.py verify_audit`, which names the entries, and ask who could write to the database.",
        )
    if found["checked_at"] is None:
        return "Nobody has walked the audit log yet; a task does every ten minutes."
    return f"The audit log is whole as far as it was walked, last at {found['checked_at']}."


def check_limits() -> str:
    hops = settings.TRUSTED_PROXY_HOPS
    enforced = f"Rate limits are enforced; {hops} proxies in front are trusted."
    return _check_mode(
        "rate_limit",
        enforced,
        "Rate limits are {}: nobody is refused, however much they ask.",
    )


def check_shedding() -> str:
    return _check_mode(
        "load_shedding",
        "Load is shed before it becomes too much.",
        "Load shedding is {}: too much load slows everybody down.",
    )


def check_breakers() -> str:
    return _check_mode(
        "breakers",
        "Circuit breakers watch the dependencies.",
        "Circuit breakers are {}: a dependency that is out is asked on and on.",
    )


def check_deadlines() -> str:
    return _check_mode(
        "deadlines",
        "Requests that take too long are cut off.",
        "Deadlines are {}: a request may run for as long as it likes.",
    )


def _check_mode(protection: Protection, enforced: str, not_enforced: str) -> str:
    """Tell which mode holds: what is switched in the admin, else the environment's."""
    try:
        switch = Switch.objects.filter(name=protection).first()
    except DatabaseError:
        # The table is yet to be made, which is the migrations' finding.
        switch = None
    mode = switch.mode if switch else mode_from_environment(protection)
    name = SETTINGS[protection]
    source = "switched in the admin" if switch else f"{name}={mode}"
    if mode == "enforce":
        return enforced
    meaning = "only logged" if mode == "log_only" else "switched off"
    said = not_enforced.format(f"{meaning} ({source})")
    if settings.DEV_TOOLS:
        return said
    cure = (
        "Switch it back in the admin (Protection)" if switch else f"Set {name}=enforce"
    )
    raise UnwellError(said, f"{cure} when the load test or the emergency is over.")


KEYS_CURE = "Set FIELD_ENCRYPTION_KEYS as it was, from where the keys are kept beside the backups."
NEEDS = {
    "keys": "database",
    "limits": "database",
    "shedding": "database",
    "breakers": "database",
    "deadlines": "database",
    "migrations": "database",
    "clock": "database",
    "audit": "valkey",
    "worker": "valkey",
    "beat": "valkey",
}
START = "Start the shop with `make run`."
CHECKS: dict[str, Callable[[], str]] = {
    "database": check_database,
    "migrations": check_migrations,
    "valkey": check_valkey,
    "worker": check_worker,
    "beat": check_beat,
    "mail": check_mail,
    "storage": check_storage,
    "secrets": check_secrets,
    "keys": check_keys,
    "limits": check_limits,
    "shedding": check_shedding,
    "breakers": check_breakers,
    "deadlines": check_deadlines,
    "audit": check_audit,
    "clock": check_clock,
}


def _check_heartbeat(process: str, consequence: str) -> str:
    cure = f"Start it: `make run`, or `python -m config.processes {process}`."
    last = last_heartbeat(process)
    if last is None:
        raise UnwellError(
            f"The {process} has never shown a sign of life. {consequence}", cure
        )
    age = (datetime.now(UTC) - last).total_seconds()
    if age > STALE_AFTER_SECONDS:
        raise UnwellError(
            f"The {process}'s last sign of life is {age:.0f} s old. {consequence}", cure
        )
    return f"The {process} is alive."


def _write_probe(folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor-{uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UnwellError(
            f"{what} can't be written: {error}.", f"Let this account write to {folder}."
        ) from error


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
