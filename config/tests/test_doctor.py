import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import time_machine
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from config import doctor
from config.embedded import EmbeddedServers
from core import heartbeat
from core.key_proofs import require_keys
from core.protection import services

START = "Start the shop with `make run`."


@pytest.fixture
def valkey():
    folder = Path(tempfile.mkdtemp(prefix="shop-", dir="/tmp"))
    folder.chmod(0o755)
    servers = EmbeddedServers(folder / "var", durable=False, with_postgres=False)
    servers.start()
    yield servers.redis_url
    servers.destroy()
    shutil.rmtree(folder)


def refusal(check):
    with pytest.raises(doctor.UnwellError) as error:
        check()
    return error.value


def test_database_that_does_not_answer_is_named(monkeypatch, settings):
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "/nowhere")

    error = refusal(doctor.check_database)

    assert error.problem.startswith("DATABASE_URL does not lead to a database: ")
    assert error.cure == "Correct DATABASE_URL, or start the server it names."


def test_database_of_ours_that_does_not_run_is_named(monkeypatch, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.DATABASE_URL = doctor.database_url(tmp_path)
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", str(tmp_path))

    error = refusal(doctor.check_database)

    assert (error.problem, error.cure) == (
        "The built-in PostgreSQL is not running.",
        START,
    )


@pytest.mark.django_db
def test_database_that_may_lose_orders_is_wrong():
    # As the servers of the tests may.
    assert refusal(doctor.check_database).cure == "Set fsync = on."


@pytest.mark.django_db
def test_database_that_is_too_old_is_wrong(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_POSTGRES", 99)

    assert refusal(doctor.check_database).cure == "Upgrade to PostgreSQL 99 or later."


@pytest.mark.django_db
def test_migrations_that_are_applied_are_well():
    assert (
        doctor.check_migrations() == "The database has the form that the code expects."
    )


@pytest.mark.django_db
def test_migration_that_is_missing_is_named():
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("sessions", "0001_initial")

    error = refusal(doctor.check_migrations)

    assert error.problem == "1 migrations are not applied, sessions.0001_initial first."
    assert error.cure == "Run `python manage.py migrate`."


def test_valkey_that_answers_is_well(settings, valkey):
    settings.REDIS_URL = valkey

    assert doctor.check_valkey() == "Valkey answers and throws nothing away."


def test_valkey_that_throws_keys_away_is_wrong(settings, valkey):
    settings.REDIS_URL = valkey
    with redis.Redis.from_url(valkey) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")

    error = refusal(doctor.check_valkey)

    assert "(allkeys-lru)" in error.problem
    assert error.cure == "Set maxmemory-policy to noeviction."


def test_valkey_that_does_not_answer_is_named(settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    error = refusal(doctor.check_valkey)

    assert error.problem.startswith("REDIS_URL does not lead to a Valkey or Redis: ")
    assert error.cure == "Correct REDIS_URL, or start the server it names."


def test_valkey_of_ours_that_does_not_run_is_named(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.REDIS_URL = doctor.redis_url(tmp_path)

    error = refusal(doctor.check_valkey)

    assert (error.problem, error.cure) == ("The built-in Valkey is not running.", START)


@pytest.mark.parametrize(
    ("process", "check"), [("worker", doctor.check_worker), ("beat", doctor.check_beat)]
)
def test_heartbeat_tells_alive_from_stale_from_never_seen(process, check):
    heartbeat.forget(process)
    assert refusal(check).problem.startswith(
        f"The {process} has never shown a sign of life."
    )

    heartbeat.record_heartbeat(process, now=datetime.now(UTC) - timedelta(minutes=10))
    error = refusal(check)
    assert error.problem.startswith(f"The {process}'s last sign of life is 60")
    assert (
        error.cure
        == f"Start it: `make run`, or `python -m config.processes {process}`."
    )

    heartbeat.record_heartbeat(process, now=datetime.now(UTC))
    assert check() == f"The {process} is alive."
    heartbeat.forget(process)


def test_mail_into_a_folder_that_takes_no_files_is_wrong(settings, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = blocked / "mail"

    assert (
        refusal(doctor.check_mail).cure
        == f"Let this account write to {blocked / 'mail'}."
    )


def test_mail_into_a_folder_is_well(settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"

    assert doctor.check_mail() == f"Mail is written to {tmp_path / 'mail'}."
    assert list((tmp_path / "mail").iterdir()) == []


def test_mail_server_that_does_not_answer_is_named(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = 9

    error = refusal(doctor.check_mail)

    assert error.problem.startswith("The mail server 127.0.0.1:9 does not take mail: ")
    assert "EMAIL_HOST" in error.cure


def test_storage_that_can_be_written_is_well_and_kept_clean(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.VAR_DIR = tmp_path / "var"

    assert doctor.check_storage() == "Files can be written and read."
    assert list(tmp_path.iterdir()) == []


def test_storage_that_takes_no_files_is_wrong(settings, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    settings.MEDIA_ROOT = blocked / "media"

    assert (
        refusal(doctor.check_storage).cure
        == f"Let this account write to {blocked / 'media'}."
    )


def test_storage_that_is_nearly_full_is_wrong(monkeypatch, settings, tmp_path):
    settings.MEDIA_ROOT = settings.VAR_DIR = tmp_path
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1 << 62)

    assert "MB are free where" in refusal(doctor.check_storage).problem


@pytest.mark.parametrize(
    "key", ["short", "a" * 60, "django-insecure-" + "0123456789" * 5]
)
def test_secret_that_can_be_guessed_is_wrong(settings, key):
    settings.DEV_TOOLS = False
    settings.SECRET_KEY = key

    assert refusal(doctor.check_secrets).problem == "SECRET_KEY can be guessed."


def test_secret_of_sixty_mixed_characters_is_well(settings):
    settings.DEV_TOOLS = False
    settings.SECRET_KEY = "0123456789" * 6

    assert doctor.check_secrets() == "SECRET_KEY is long and mixed."


@pytest.mark.django_db
def test_keys_of_the_database_are_well():
    require_keys()

    assert doctor.check_keys() == (
        "Encrypted data can be read; new data is sealed with the key 'test'."
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            "other:" + "A" * 43 + "=",
            "FIELD_ENCRYPTION_KEYS lacks the key 'test', with which data in this database is encrypted: bring it back, or nobody can read that data again.",
        ),
        ("other:AAAA", "FIELD_ENCRYPTION_KEYS: the key 'other' has 3 bytes, not 32."),
    ],
)
def test_lost_or_spoilt_keys_are_wrong(settings, keys, problem):
    require_keys()
    settings.FIELD_ENCRYPTION_KEYS = keys

    assert refusal(doctor.check_keys).problem == problem


@pytest.mark.django_db
def test_clock_that_differs_is_wrong():
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        error = refusal(doctor.check_clock)

    assert error.problem.startswith(
        "This machine's clock and the database's differ by 3"
    )
    assert "NTP" in error.cure


@pytest.mark.django_db
def test_clock_that_agrees_is_well():
    assert doctor.check_clock() == "This machine and the database agree on the time."


def test_examine_asks_nothing_of_a_server_that_is_not_reached(monkeypatch, settings):
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "/nowhere")
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    findings = {finding.name: finding for finding in doctor.examine()}

    assert findings["migrations"].said == "Can't be told without the database."
    assert findings["clock"].cure == "Mend the database first."
    assert findings["worker"].said == "Can't be told without the valkey."
    assert list(findings) == list(doctor.CHECKS)


@pytest.mark.django_db
def test_command_exits_with_1_and_prints_each_cure(capsys):
    heartbeat.forget("worker")

    with pytest.raises(SystemExit) as ended:
        call_command("doctor", no_color=True)

    said = capsys.readouterr().out
    assert ended.value.code == 1
    assert "wrong worker     The worker has never shown a sign of life." in said
    assert "→ Start it: `make run`, or `python -m config.processes worker`.\n" in said


PROTECTIONS = [
    ("rate_limit", "RATE_LIMIT_MODE", doctor.check_limits),
    ("load_shedding", "LOAD_SHEDDING_MODE", doctor.check_shedding),
    ("breakers", "BREAKER_MODE", doctor.check_breakers),
    ("deadlines", "DEADLINE_MODE", doctor.check_deadlines),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "setting", "check"), PROTECTIONS)
def test_protection_that_is_off_is_wrong_in_production(settings, name, setting, check):
    settings.DEV_TOOLS = False
    setattr(settings, setting, "enforce")
    assert setting not in check()

    setattr(settings, setting, "off")
    by_environment = refusal(check)
    assert f"switched off ({setting}=off)" in by_environment.problem
    assert f"Set {setting}=enforce" in by_environment.cure

    services.set_switch(name=name, mode="log_only", actor_id=None)
    by_hand = refusal(check)
    assert "only logged (switched in the admin)" in by_hand.problem
    assert "admin" in by_hand.cure

    settings.DEV_TOOLS = True
    assert "only logged" in check()
    services.set_switch(name=name, mode="enforce", actor_id=None)
    assert "only logged" not in check()
