import json
import os
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from core.tests.processes import ROOT


@pytest.fixture
def empty_database():
    name, url = f"migrating_{uuid4().hex}", os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_migration_can_be_taken_back_and_made_again(empty_database):
    """One after the other to none and forth; each leaves the schema as it was before."""
    result = subprocess.run(
        [sys.executable, "-m", "config.tests.migrating"],
        cwd=ROOT,
        env=os.environ
        | {
            "DATABASE_URL": empty_database,
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
        },
        capture_output=True,
        check=False,
        text=True,
        timeout=240,
    )

    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["differences"] == {}
    assert {"core.0012_audit_chain", "accounts.0020_audited_tables"} <= set(
        told["migrations"]
    )
