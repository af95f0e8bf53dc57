"""Under pytest: the same servers as everywhere, thrown away afterwards."""

import os

from config.settings.base import *  # noqa: F403 -- settings inherit by star import
from config.settings.base import CACHES, DATABASES, STORAGES, VAR_DIR

SECRET_KEY = "test-only-not-a-secret-0123456789abcdef"  # noqa: S105 -- guards nothing
FIELD_ENCRYPTION_KEYS = "test:dGVzdC1vbmx5LW5vdC1hLXNlY3JldC0wMTIzNDU2Nzg="
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
DEV_TOOLS = True
EMAIL_FILE_PATH = VAR_DIR / "mail"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
CACHES["default"]["KEY_PREFIX"] = f"test-{WORKER}"
# Threads of a test close their connections for good; a pool would keep them open
# and the test database could not be dropped.
DATABASES["default"]["OPTIONS"].pop("pool")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Nothing is collected for tests; look files up when they are asked for.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
# Most tests roll back, and what never commits raises no generation.
BYTES_CACHE = False
# Tests send more than any caller may; those about limits switch them on.
RATE_LIMIT_MODE = "off"
LOAD_SHEDDING_MODE = "off"
# One test's broken provider must not shut the next one's.
BREAKER_MODE = "off"
# A revoked key is refused by the very next request.
API_KEY_MEMORY_SECONDS = 0
# No thread beside the tests: what is written holds for the next request.
PROTECTION_REFRESH_SECONDS = 0
# What a test changes holds for its next request; those about the memory turn it on.
SESSION_CACHE_SECONDS = 0
# Read when a test first needs them, and not in the middle of counted queries.
SIGNING_KEYS_REFRESH_SECONDS = 3600
