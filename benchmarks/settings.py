"""Production settings with two more routes to compare with, over plain HTTP on loopback."""

from config.settings.production import *  # noqa: F403 -- settings inherit by star import

ROOT_URLCONF = "benchmarks.urls"
SECURE_SSL_REDIRECT = False
