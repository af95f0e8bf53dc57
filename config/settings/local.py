"""On a developer's machine: everything works, nothing leaves it."""

from config.local_keys import kept_keys
from config.settings.base import *  # noqa: F403 -- settings inherit by star import
from config.settings.base import (
    ALLOWED_HOSTS,
    FIELD_ENCRYPTION_KEYS,
    LOG_LEVEL,
    SECRET_KEY,
    STORAGES,
    VAR_DIR,
)
from core import logging as core_logging

DEBUG = False
SECRET_KEY = SECRET_KEY or "local-only-not-a-secret-0123456789abcdef"
FIELD_ENCRYPTION_KEYS = FIELD_ENCRYPTION_KEYS or kept_keys(VAR_DIR)
ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = VAR_DIR / "mail"
DEV_TOOLS = True
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
LOGGING = core_logging.settings(level=LOG_LEVEL, colours=True)
