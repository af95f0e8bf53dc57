import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from config.embedded import EmbeddedServers

ROOT = Path(__file__).resolve().parents[2]
STARTED = "Built-in servers started for this command.\n"


@pytest.fixture
def var():
    folder = Path(tempfile.mkdtemp(prefix="shop-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder / "var"
    EmbeddedServers(folder / "var").destroy()
    shutil.rmtree(folder)


@pytest.fixture
def manage(var):
    def run(*arguments, **environment):
        ours = {
            *("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"),
            *("SECRET_KEY", "FIELD_ENCRYPTION_KEYS"),
        }
        variables = {
            name: value for name, value in os.environ.items() if name not in ours
        }
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=variables | {"VAR_DIR": str(var)} | environment,
            capture_output=True,
            check=False,
            text=True,
        )

    return run


def test_command_that_needs_servers_gets_them_for_as_long_as_it_runs(manage, var):
    finished = manage("migrate", "--plan")

    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == STARTED
    with EmbeddedServers(var) as servers:
        assert servers.is_owner


def test_command_joins_servers_that_run(manage, var):
    with EmbeddedServers(var):
        finished = manage("migrate", "--plan")

    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""


@pytest.mark.parametrize(
    "arguments", [("help",), ("check",), ("migrate", "--help"), ()]
)
def test_command_that_needs_no_servers_starts_none(manage, var, arguments):
    finished = manage(*arguments)

    assert finished.returncode == 0, finished.stderr
    assert STARTED not in finished.stderr
    assert not (var / "embedded").exists()


def test_production_never_falls_back_to_built_in_servers(manage, var):
    finished = manage(
        "migrate",
        "--plan",
        DJANGO_SETTINGS_MODULE="config.settings.production",
        SECRET_KEY="x" * 60,
    )

    assert finished.returncode == 1
    assert (
        finished.stderr
        == "The settings are wrong: DATABASE_URL must be set in production.\n"
    )
    assert not var.exists()


@pytest.mark.parametrize("missing", ["SHOP_URL", "DEFAULT_FROM_EMAIL"])
def test_production_asks_for_what_mails_and_links_need(manage, missing):
    given = {
        "DATABASE_URL": "postgresql://shop@db.example.com/shop",
        "REDIS_URL": "redis://cache.example.com/0",
        "SHOP_URL": "https://shop.example.com",
        "DEFAULT_FROM_EMAIL": "shop@example.com",
    }

    finished = manage(
        "check",
        **given | {missing: ""},
        DJANGO_SETTINGS_MODULE="config.settings.production",
        SECRET_KEY="x" * 60,
    )

    assert finished.returncode == 1
    assert finished.stderr == (
        f"The settings are wrong: {missing} must be set in production.\n"
    )


def test_production_refuses_to_start_without_encryption_keys(manage):
    finished = manage(
        "check",
        DATABASE_URL="postgresql://shop@db.example.com/shop",
        REDIS_URL="redis://cache.example.com/0",
        SHOP_URL="https://shop.example.com",
        DEFAULT_FROM_EMAIL="shop@example.com",
        DJANGO_SETTINGS_MODULE="config.settings.production",
        SECRET_KEY="x" * 60,
    )

    assert finished.returncode == 1
    assert finished.stderr == (
        "The settings are wrong: FIELD_ENCRYPTION_KEYS must be set: what the shop has encrypted can't be read without.\n"
    )
