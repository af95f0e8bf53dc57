"""Refuse early, and in one sentence, what would fail later in a long traceback."""

import psycopg
import redis
from django.conf import settings

from config.embedded import EmbeddedError

CONNECT_SECONDS = 5


def require_database() -> None:
    """Open one connection.

    :raises EmbeddedError: naming DATABASE_URL and the server's reason.
    """
    database = settings.DATABASES["default"]
    try:
        psycopg.connect(
            host=database["HOST"],
            port=database["PORT"] or None,
            dbname=database["NAME"],
            user=database["USER"],
            password=database["PASSWORD"],
            connect_timeout=CONNECT_SECONDS,
        ).close()
    except psycopg.Error as error:
        raise EmbeddedError(
            f"DATABASE_URL does not lead to a database: {reason(error)}. Correct it, or unset it to use the built-in one."
        ) from error


def require_valkey() -> None:
    """Send one ping.

    :raises EmbeddedError: naming REDIS_URL and the server's reason.
    """
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=CONNECT_SECONDS
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise EmbeddedError(
            f"REDIS_URL does not lead to a Valkey or Redis: {reason(error)}. Correct it, or unset it to use the built-in one."
        ) from error


def reason(error: Exception) -> str:
    """Pick the line that says why out of a driver's long answer."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    telling = [line for line in lines if "failed: " in line or "FATAL" in line]
    return (telling or lines)[-1].strip(" -\t.")
