"""In production: nothing has a default that should have been chosen."""

from django.core.exceptions import ImproperlyConfigured

from config.env import env_bool, env_choice, env_int, env_str
from config.settings.base import *  # noqa: F403 -- settings inherit by star import
from config.settings.base import ALLOWED_HOSTS, FIELD_ENCRYPTION_KEYS, SECRET_KEY

for name in ("DATABASE_URL", "REDIS_URL", "SHOP_URL", "DEFAULT_FROM_EMAIL"):
    if not env_str(name):
        raise ImproperlyConfigured(f"{name} must be set in production.")
if len(SECRET_KEY) < 50:  # noqa: PLR2004 -- Django's own check asks for fifty
    raise ImproperlyConfigured("SECRET_KEY must be set, with 50 characters or more.")
if not FIELD_ENCRYPTION_KEYS:
    raise ImproperlyConfigured(
        "FIELD_ENCRYPTION_KEYS must be set: what the shop has encrypted can't be read without."
    )
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts of the shop.")

DEV_TOOLS = False
API_KEY_MODE = env_choice("API_KEY_MODE", "live", choices={"live", "test"})
SECURE_SSL_REDIRECT = env_bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env_int("SECURE_HSTS_SECONDS", 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env_bool(
    "SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True
)
SECURE_HSTS_PRELOAD = env_bool("SECURE_HSTS_PRELOAD", default=True)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# Browsers take these from this very host only, over TLS, for all its paths.
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
DEVICE_COOKIE_NAME = "__Host-device"
