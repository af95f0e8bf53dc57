"""The shop as in production where it remembers callers and keys, as tests otherwise don't."""

from django.conf import settings

from config.wsgi import application as application  # noqa: PLC0414 -- granian loads it from here

settings.SESSION_CACHE_SECONDS = 5.0
settings.SIGNING_KEYS_REFRESH_SECONDS = 5.0
settings.PROTECTION_REFRESH_SECONDS = 2
