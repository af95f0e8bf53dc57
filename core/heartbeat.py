"""Signs of life of the processes that answer no requests."""

from datetime import UTC, datetime

from django_redis import get_redis_connection
from redis import RedisError

from core.health import OK

PROCESSES = ("worker", "beat")
# Written every few seconds; older than this means deaf or dead.
STALE_AFTER_SECONDS = 30
_KEPT_SECONDS = 24 * 60 * 60


def record_heartbeat(process: str, *, now: datetime) -> None:
    """Note that ``worker`` or ``beat`` was alive just now, as a unix time."""
    get_redis_connection("default").set(
        _key(process), int(now.timestamp()), ex=_KEPT_SECONDS
    )


def last_heartbeat(process: str) -> datetime | None:
    text = get_redis_connection("default").get(_key(process))
    return None if text is None else datetime.fromtimestamp(int(text), UTC)


def heartbeat_state(process: str) -> str:
    """Return ``ok``, ``stale``, ``never``, or ``unknown`` where Valkey doesn't say."""
    try:
        last = last_heartbeat(process)
    except (RedisError, OSError):
        return "unknown"
    if last is None:
        return "never"
    age = (datetime.now(UTC) - last).total_seconds()
    return OK if age <= STALE_AFTER_SECONDS else "stale"


def _key(process: str) -> str:
    return f"shopwright:heartbeat:{process}"


def forget(process: str) -> None:
    get_redis_connection("default").delete(_key(process))
