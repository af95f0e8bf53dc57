from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# A statement run so often on one connection is worth being planned for good.
PREPARED_AFTER = 4


def database(
    url: str,
    *,
    pool_size: int,
    lock_timeout_ms: int,
    statement_timeout_ms: int,
    prepares: bool,
) -> dict[str, Any]:
    """Turn ``postgresql://user:password@host:port/name?option=…`` into settings.

    A unix socket stands where libpq puts it: ``postgresql://user@/name?host=/path``.
    ``prepares`` concerns the statements of ``core.prepared``. Without it and without
    timeouts nothing is asked of the server when connecting, as PgBouncer wants it.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in {"postgres", "postgresql"} or not name:
        raise ImproperlyConfigured(
            "DATABASE_URL must look like postgresql://user:password@host:5432/name."
        )
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or unquote(parts.hostname or "")
    port = options.pop("port", "") or str(parts.port or "")
    asked = [options.pop("options", "")]
    if lock_timeout_ms:
        asked.insert(0, f"-c lock_timeout={lock_timeout_ms}")
    if statement_timeout_ms:
        asked.insert(0, f"-c statement_timeout={statement_timeout_ms}")
    if prepares:
        # Planned once is the point; PostgreSQL would guess that planning again pays.
        asked.insert(0, "-c plan_cache_mode=force_generic_plan")
    # The shortest that psycopg knows; our connections give up after one.
    options.setdefault("connect_timeout", 2)
    if any(asked):
        options["options"] = " ".join(filter(None, asked))
    return {
        "ENGINE": "core.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": 0,
        "OPTIONS": options
        | {
            "pool": {
                "min_size": 1,
                "max_size": pool_size,
                "timeout": 5,
                # The next request tries again. By itself the pool would pause between its
                # attempts, each time for twice as long, though the server is back.
                "reconnect_timeout": 0,
            },
            "prepare_threshold": PREPARED_AFTER if prepares else None,
        },
    }


def caches(url: str) -> dict[str, Any]:
    return {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": url,
            "KEY_PREFIX": "shop",
        }
    }
