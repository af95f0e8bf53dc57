"""Production settings with two more routes to compare with, over plain HTTP on loopback."""

from config.settings._priorities import BULK, LATER, ROUTES
from config.settings.production import *  # noqa: F403 -- settings inherit by star import

ROOT_URLCONF = "benchmarks.urls"
SECURE_SSL_REDIRECT = False
ROUTE_PRIORITIES = ROUTES | {"/api/bench/feed": LATER, "/api/bench/report": BULK}
