"""Production settings with two more routes to compare with, over plain HTTP on loopback."""

from config.env import env_bool
from config.settings._priorities import BULK, LATER, ROUTES
from config.settings.production import *  # noqa: F403 -- settings inherit by star import
from config.settings.production import MIDDLEWARE

ROOT_URLCONF = "benchmarks.urls"
SECURE_SSL_REDIRECT = False
ROUTE_PRIORITIES = ROUTES | {"/api/bench/feed": LATER, "/api/bench/report": BULK}
if env_bool("BENCHMARK_WITHOUT_PROTECTION", default=False):
    MIDDLEWARE = [m for m in MIDDLEWARE if not m.startswith("core.protection.")]
