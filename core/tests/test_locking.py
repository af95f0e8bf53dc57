import logging
from copy import deepcopy

import pytest
from django.db import connection, connections

from core.locking import sole_run
from core.postgresql.base import DatabaseWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def pooled(monkeypatch):
    """Let connections of one's own come from a pool, as in the shop's processes."""
    settings = deepcopy(connection.settings_dict)
    settings["OPTIONS"] |= {"pool": {"min_size": 1, "max_size": 2, "timeout": 5}}
    made = [DatabaseWrapper(settings, alias="default") for _ in range(2)]
    given = iter(made)
    monkeypatch.setattr(connections, "create_connection", lambda _: next(given))
    yield made
    made[0].close_pool()


def test_only_one_runs_under_a_name(pooled):
    with sole_run("tidying") as first, sole_run("tidying") as second:
        assert (first, second) == (True, False)


def test_the_connection_goes_back_to_its_pool_idle(pooled, caplog):
    with caplog.at_level(logging.WARNING, "psycopg.pool"), sole_run("tidying") as ours:
        assert ours

    assert caplog.records == []


def test_a_lost_connection_hides_no_error_of_the_work(pooled):
    def work():
        with sole_run("tidying"):
            pooled[0].connection.close()
            raise KeyError

    with pytest.raises(KeyError):
        work()
