"""Run real PostgreSQL and Valkey under ``var/`` when no address of a server is given.

Standard library only: ``manage.py`` and pytest start these before Django's settings are read.
"""

from config.embedded.binaries import Binaries, find_binaries
from config.embedded.errors import EmbeddedError
from config.embedded.places import database_url, redis_url
from config.embedded.servers import EmbeddedServers, require_free_port

__all__ = [
    "Binaries",
    "EmbeddedError",
    "EmbeddedServers",
    "database_url",
    "find_binaries",
    "redis_url",
    "require_free_port",
]
