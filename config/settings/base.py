"""Settings that hold everywhere. Every environment value is read here."""

from pathlib import Path
from urllib.parse import urlsplit

from config import embedded
from config.env import (
    env_bool,
    env_choice,
    env_int,
    env_list,
    env_secret,
    env_str,
)
from config.settings import (
    _admin,
    _cors,
    _jwt,
    _openapi,
    _pages,
    _priorities,
    _rest_framework,
    _retention,
)
from config.settings._celery import celery_settings
from config.settings._databases import caches, database
from config.settings._oauth import oauth_providers
from config.sizes import web_sizes
from core import logging as core_logging

BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env_str("VAR_DIR", str(BASE_DIR / "var")))

SECRET_KEY = env_secret("SECRET_KEY")
# id:base64 each, commas between: the first encrypts, all decrypt; see docs/privacy.md.
FIELD_ENCRYPTION_KEYS = env_secret("FIELD_ENCRYPTION_KEYS")
DEBUG = False
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "rest_framework",
    "corsheaders",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core.apps.CoreConfig",
    "accounts.apps.AccountsConfig",
    "catalog.apps.CatalogConfig",
    "inventory.apps.InventoryConfig",
    "orders.apps.OrdersConfig",
    "notifications.apps.NotificationsConfig",
    "config.apps.ConfigConfig",
]
MIDDLEWARE = [
    "core.middleware.RequestMiddleware",
    "core.protection.middleware.TrafficMiddleware",
    "core.protection.middleware.BlockMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    # Inside CORS, or a browser's script could not read that it was refused.
    "core.protection.middleware.AdmissionMiddleware",
    "core.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "core.middleware.AuthenticationMiddleware",
    "core.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
CSRF_FAILURE_VIEW = "core.problems.csrf_failure"
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.security_headers.csp_nonce",
            ]
        },
    }
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASE_URL = env_str("DATABASE_URL") or embedded.database_url(VAR_DIR)
REDIS_URL = env_str("REDIS_URL") or embedded.redis_url(VAR_DIR)
WEB_SIZES = web_sizes()
DATABASE_POOL_SIZE = env_int(
    "DATABASE_POOL_SIZE", WEB_SIZES.database_connections, minimum=1
)
DATABASE_PREPARES = env_bool("DATABASE_PREPARES", default=True)
LOCK_TIMEOUT_MS = env_int("LOCK_TIMEOUT_MS", 3000, minimum=0)
STATEMENT_TIMEOUT_MS = env_int("STATEMENT_TIMEOUT_MS", 0, minimum=0)
DATABASES = {
    "default": database(
        DATABASE_URL,
        pool_size=DATABASE_POOL_SIZE,
        lock_timeout_ms=LOCK_TIMEOUT_MS,
        statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        prepares=DATABASE_PREPARES,
    )
}
CACHES = caches(REDIS_URL)
# Public reads as bytes: in Valkey, and up to so much in each process.
BYTES_CACHE = env_bool("BYTES_CACHE", default=True)
BYTES_CACHE_MAX_BYTES = env_int("BYTES_CACHE_MEGABYTES", 64, minimum=1) * 1_048_576
# With the database out they are told until they are so old. Longer than an outage lasts
# that somebody is awake for; what it costs to read an old price is nothing, since carts
# and checkouts wait for the database.
BYTES_CACHE_STALE_SECONDS = env_int("BYTES_CACHE_STALE_SECONDS", 3600, minimum=0)
globals().update(celery_settings(REDIS_URL))

SIMPLE_JWT = _jwt.SIMPLE_JWT
# The one algorithm that access tokens are signed and believed with.
TOKEN_ALGORITHM = env_choice("TOKEN_ALGORITHM", "EdDSA", choices={"EdDSA", "HS256"})
SIGNING_KEY_DAYS = env_int("SIGNING_KEY_DAYS", 30, minimum=1)
# What a process knows of the keys is at most this old, so a leaked one ends everywhere.
# Well below SIGNING_KEY_LEAD, which a new key waits before it signs.
SIGNING_KEYS_REFRESH_SECONDS = 5.0
REST_FRAMEWORK = _rest_framework.REST_FRAMEWORK
SPECTACULAR_SETTINGS = _openapi.SPECTACULAR_SETTINGS
OPENAPI_TAGS = _openapi.OPENAPI_TAGS
OPENAPI_EXAMPLES = _openapi.OPENAPI_EXAMPLES

AUTH_USER_MODEL = "accounts.User"
# Who acts, in the pages of the administration: the model's column that says the name.
ACTOR_NAMES = {"accounts.User": "email", "accounts.ApiKey": "name"}
AUTHENTICATION_BACKENDS = ["accounts.auth.RoleBackend"]
# What a request needs to know of its caller is at most this old, on every node.
SESSION_CACHE_SECONDS = 5.0
PASSWORD_HASHERS = [
    "accounts.auth.Argon2Hasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.auth.LengthValidator"},
    # The 20,000 commonest, shipped with Django.
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.auth.NotPersonalValidator"},
]
PASSWORD_MIN_LENGTH = env_int("PASSWORD_MIN_LENGTH", 8, minimum=8)
# Staff without a second factor; with one, as everybody.
STAFF_PASSWORD_MIN_LENGTH = env_int("STAFF_PASSWORD_MIN_LENGTH", 15, minimum=8)
# Each takes 19 MiB and a core for a moment.
PASSWORD_HASHES_AT_ONCE = env_int("PASSWORD_HASHES_AT_ONCE", 4, minimum=1)
PASSWORD_HASH_PATIENCE_SECONDS = 3.0

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Not below MEDIA_ROOT, which is served.
    "private": {
        "BACKEND": "core.guarded_storage.GuardedStorage",
        "OPTIONS": {
            "name": "private",
            "backend": "django.core.files.storage.FileSystemStorage",
            "options": {"location": VAR_DIR / "private"},
        },
    },
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

EMAIL_HOST = env_str("EMAIL_HOST", "localhost")
EMAIL_PORT = env_int("EMAIL_PORT", 25, minimum=1)
EMAIL_HOST_USER = env_str("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env_secret("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env_str("DEFAULT_FROM_EMAIL", "Shopwright <shop@example.com>")

# Keys for machines begin with sw_live_ or sw_test_; a shop takes one sort only.
API_KEY_MODE = env_choice("API_KEY_MODE", "test", choices={"live", "test"})
# What a process has read about a key holds so long, a revocation takes no longer.
API_KEY_MEMORY_SECONDS = 3.0

CORS_ALLOWED_ORIGINS = _cors.exact_origins(env_list("CORS_ALLOWED_ORIGINS"))
# The API knows no cookies, so no page of another origin may send any.
CORS_ALLOW_CREDENTIALS = False
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = _cors.REQUEST_HEADERS
CORS_EXPOSE_HEADERS = _cors.RESPONSE_HEADERS
WHITENOISE_ALLOW_ALL_ORIGINS = False
PAGE_POLICIES = _pages.PAGE_POLICIES
STATUS_PARTS = _pages.STATUS_PARTS
RETENTION = _retention.RETENTION
# Cookies are for the administration alone; production makes them __Host- ones.
DEVICE_COOKIE_NAME = "shop_device"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
DATA_UPLOAD_MAX_MEMORY_SIZE = env_int("MAX_BODY_BYTES", 1_048_576, minimum=1024)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
IMPORT_MAX_BYTES = env_int("IMPORT_MAX_BYTES", 104_857_600, minimum=1024)

# Who may ask how much; see docs/protection.md.
_MODES = {"enforce", "log_only", "off"}
RATE_LIMIT_MODE = env_choice("RATE_LIMIT_MODE", "enforce", choices=_MODES)
LOAD_SHEDDING_MODE = env_choice("LOAD_SHEDDING_MODE", "enforce", choices=_MODES)
BREAKER_MODE = env_choice("BREAKER_MODE", "enforce", choices=_MODES)
DEADLINE_MODE = env_choice("DEADLINE_MODE", "enforce", choices=_MODES)
RATE_LIMIT_PRINCIPALS = [
    "accounts.auth.principal_of_key",
    "accounts.auth.principal_of_token",
]
# Who is let in when all is too much; see docs/load-shedding.md.
ROUTE_PRIORITIES = _priorities.ROUTES
ROUTE_PRIORITY_OTHERWISE = _priorities.OTHERWISE
# Calls of staff count as this, but for what may wait.
STAFF_PRIORITY = _priorities.STAFF
STAFF_UP_TO = _priorities.BROWSING.level
RATE_LIMIT_ATTEMPT = "accounts.auth.attempt_of"
# Each process reads policies, blocks and switches anew this often, in its own thread.
PROTECTION_REFRESH_SECONDS = 2.0
TRUSTED_PROXY_HOPS = env_int("TRUSTED_PROXY_HOPS", 0)
BLOCK_AFTER_REFUSALS = env_int("BLOCK_AFTER_REFUSALS", 600)
BLOCK_WINDOW_MINUTES = env_int("BLOCK_WINDOW_MINUTES", 5, minimum=1)
BLOCK_MINUTES = env_int("BLOCK_MINUTES", 15, minimum=1)
WEB_PROCESSES = env_int("WEB_PROCESSES", 2, minimum=1)

# The shop.
SHOP_NAME = env_str("SHOP_NAME", "Shopwright")
UNFOLD = _admin.unfold_settings(shop_name=SHOP_NAME)
SHOP_CURRENCY = env_str("SHOP_CURRENCY", "EUR")
SHOP_URL = env_str("SHOP_URL", "http://localhost:8000")
# Whose passkeys these are, and the pages that may ask for them; by default the shop's own.
PASSKEY_RP_ID = env_str("PASSKEY_RP_ID", urlsplit(SHOP_URL).hostname or "")
PASSKEY_ORIGINS = env_list(
    "PASSKEY_ORIGINS", ["{0.scheme}://{0.netloc}".format(urlsplit(SHOP_URL))]
)
OAUTH_PROVIDERS = oauth_providers(
    google=(
        env_str("OAUTH_GOOGLE_CLIENT_ID"),
        env_secret("OAUTH_GOOGLE_CLIENT_SECRET"),
    ),
    github=(
        env_str("OAUTH_GITHUB_CLIENT_ID"),
        env_secret("OAUTH_GITHUB_CLIENT_SECRET"),
    ),
    others=env_secret("OAUTH_OIDC_PROVIDERS"),
)
OAUTH_REDIRECT_URIS = env_list("OAUTH_REDIRECT_URIS")
STAFF_MFA_REQUIRED = env_bool("STAFF_MFA_REQUIRED", default=False)
STEP_UP_SECONDS = env_int("STEP_UP_SECONDS", 600, minimum=30)
# Stands before the administration's pages that change what is sensitive.
SENSITIVE_PAGES_GUARD = "accounts.admin.proven_first"
API_VERSION = "2026-11-20"
API_VERSIONS = (API_VERSION,)
# Empty: the simulated provider is not offered.
PAYMENT_SIMULATOR_URL = env_str("PAYMENT_SIMULATOR_URL")
PAYMENT_WINDOW_SECONDS = env_int("PAYMENT_WINDOW_SECONDS", 900, minimum=60)
# Off: a payment is only authorized at checkout, and captured by staff later.
PAYMENT_AUTO_CAPTURE = env_bool("PAYMENT_AUTO_CAPTURE", default=True)
CART_MAX_QUANTITY = env_int("CART_MAX_QUANTITY", 99, minimum=1)
CART_MAX_LINES = env_int("CART_MAX_LINES", 100, minimum=1)
CART_HOLD_SECONDS = env_int("CART_HOLD_SECONDS", 600, minimum=30)
LOG_LEVEL = env_str("LOG_LEVEL", "INFO")
# Empty: under local settings /metrics is open, in production it is closed.
METRICS_TOKEN = env_secret("METRICS_TOKEN")
LOGGING = core_logging.settings(level=LOG_LEVEL, colours=False)
