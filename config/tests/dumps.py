"""What who has stolen the shop's storage gets to read."""

import re

import redis
from django.conf import settings
from django.db import connection

from core.rotation import encrypted_fields, encrypted_models

_BYTES = re.compile(r"\\\\x((?:[0-9a-f]{2})+)")


def dump():
    """Return every row of every table as text, as pg_dump would; bytes as they are."""
    lines = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for (table,) in cursor.fetchall():
            with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                lines += [f"{table}: {_read(bytes(row).decode())}" for row in copy]
    return lines


def _read(row):
    return _BYTES.sub(lambda found: bytes.fromhex(found[1]).decode("latin-1"), row)


def opened():
    """Yield what rests encrypted, as who has the keys can read it."""
    for model in encrypted_models():
        for row in model._default_manager.all():  # noqa: SLF001 -- Django documents it
            for field in encrypted_fields(model):
                yield f"{field}: {getattr(row, field.attname)}"


def remembered():
    """Return every key of Valkey with its value."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter("*"):
            yield key
            kind = client.type(key)
            yield client.dump(key) or b"" if kind != b"string" else client.get(key)
