"""What a server process does once everything is there, before the first visitor comes."""

import gc
from contextlib import suppress

from django.conf import settings
from django.db import connection
from django.urls import Resolver404, resolve

from core.protection.load_signs import database_pool


def import_views() -> None:
    """Import them and compile the routes, which else the first visitor waits for."""
    with suppress(Resolver404):
        resolve("/api/v1/")


def freeze() -> None:
    """Let the collector look no more at what is loaded, which stays anyway.

    To walk over all of it takes 0.2 s, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()


def open_pool() -> None:
    """Begin to connect to the database as often as requests are worked on at once.

    A pool that grows by need opens one after another, for which a sudden crowd would
    wait. To be called before anybody uses the database. One that is out stops nobody.
    """
    options = connection.settings_dict["OPTIONS"].get("pool")
    if options:
        most = settings.DATABASE_POOL_SIZE
        options["min_size"] = min(settings.WEB_SIZES.at_once, most)
        database_pool().open()
