"""Is the process alive, and can it serve? For load balancers, not for people."""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django_redis import get_redis_connection
from redis import RedisError

from core.errors import DomainError, ErrorKind
from core.problems import ProblemResponse
from core.protection.deadlines import deadline

OK = "ok"
# Whoever asks gives up soon, and a probe answers whatever else waits.
PROBE_SECONDS = 2.0


class NotReadyError(DomainError):
    code = "not_ready"
    kind = ErrorKind.UNAVAILABLE
    title = "The shop can't serve yet"
    cause = (
        "The database, its migrations or the cache are missing; `checks` says which."
    )
    cure = "Wait for the start to finish; operators run `manage.py doctor`."


def live(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 -- Django's signature
    """Answer without touching anything: a slow database is no reason for a restart."""
    return JsonResponse({"status": OK})


def ready(request: HttpRequest) -> HttpResponse:
    checks = run_checks()
    if any(outcome != OK for outcome in checks.values()):
        return ProblemResponse(NotReadyError(retry_after=5, checks=checks), request)
    return JsonResponse({"status": OK, "checks": checks})


def run_checks() -> dict[str, str]:
    """Look at each part, and find it missing if it doesn't answer in time."""
    with deadline(PROBE_SECONDS):
        return {name: check() for name, check in _CHECKS.items()}


def _check_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return OK


def _check_migrations() -> str:
    # Migrations are applied before a process starts and never taken back while it
    # lives, so one look that finds them all is enough.
    if not _migrated:
        try:
            executor = MigrationExecutor(connection)
        except DatabaseError:
            return "unknown"
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "unapplied"
        _migrated.append(True)
    return OK


def _check_cache() -> str:
    try:
        get_redis_connection("default").ping()
    except (RedisError, OSError):
        return "unreachable"
    return OK


_migrated: list[bool] = []
_CHECKS: dict[str, Callable[[], str]] = {
    "database": _check_database,
    "migrations": _check_migrations,
    "cache": _check_cache,
}
# Asked for by address rather than by name, so the unknown-host rule doesn't apply.
PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/health/live": live,
    "/health/ready": ready,
}
