"""Whoever waits has an end, and each wait ends before the one around it."""

from itertools import pairwise

import pytest
from django.conf import settings

from catalog.imports.views import ImportViewSet
from core import http_client
from core.postgresql import connection
from core.protection import deadlines
from core.protection.line import PATIENCE_SECONDS
from core.tests.processes import running
from orders.payments import simulated

PROXY_SECONDS = 30.0


def test_each_rung_is_below_the_next():
    ladder = [
        PATIENCE_SECONDS,
        deadlines.CONNECT_SECONDS,
        settings.LOCK_TIMEOUT_MS / 1000,
        deadlines.STATEMENT_SECONDS,
        http_client.READ_SECONDS,
        http_client.TOTAL_SECONDS,
        deadlines.REQUEST_SECONDS,
        PROXY_SECONDS,
    ]

    assert ladder == [0.05, 1, 3, 5, 10, 15, 20, 30]
    assert all(inner < outer for inner, outer in pairwise(ladder))


def test_connecting_has_its_rung_wherever_it_leads():
    assert http_client.CONNECT_SECONDS == deadlines.CONNECT_SECONDS
    assert connection.ATTEMPT_SECONDS < deadlines.CONNECT_SECONDS


def test_long_routes_end_before_the_proxy_does():
    assert deadlines.REQUEST_SECONDS < ImportViewSet.request_seconds < PROXY_SECONDS
    assert ImportViewSet.statement_seconds == 30


def test_the_provider_in_use_stays_on_its_rungs():
    assert simulated._READ_SECONDS <= http_client.READ_SECONDS  # noqa: SLF001 -- what it waits
    assert simulated._TOTAL_SECONDS <= http_client.TOTAL_SECONDS  # noqa: SLF001 -- as above


SHOWS = """
import django; django.setup()
from core.protection.switches import SETTINGS, mode_from_environment
print(*[mode_from_environment(name) for name in SETTINGS])
"""


@pytest.mark.parametrize(
    ("given", "modes"),
    [
        ({}, "enforce enforce enforce enforce"),
        (
            {"RATE_LIMIT_MODE": "off", "LOAD_SHEDDING_MODE": "log_only"},
            "off log_only enforce enforce",
        ),
    ],
)
@pytest.mark.django_db
def test_the_environment_switches_protections_for_a_run(given, modes):
    local = {"DJANGO_SETTINGS_MODULE": "config.settings.local"}
    with running("-c", SHOWS, **local, **given) as process:
        assert process.stdout.read().decode().splitlines()[-1] == modes


@pytest.mark.django_db
def test_a_mode_that_there_is_not_starts_nothing():
    with running("-c", SHOWS, RATE_LIMIT_MODE="on") as process:
        said = process.stdout.read().decode()

    assert process.returncode != 0
    assert "RATE_LIMIT_MODE" in said
