import base64
import signal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from core import key_proofs, rotation
from core.encryption import blind_indexes
from core.key_proofs import LostKeyError, lost_keys, require_keys
from core.models import EncryptionKey
from core.tests.diaries import Diary, diaries_table
from core.tests.processes import running


def key(key_id, byte):
    return f"{key_id}:{base64.b64encode(byte * 32).decode()}"


OLD, NEW = key("old", b"o"), key("new", b"n")
BOTH = f"{NEW},{OLD}"


@pytest.fixture(autouse=True)
def old_key(settings):
    settings.FIELD_ENCRYPTION_KEYS = OLD


@pytest.fixture
def diaries(db, monkeypatch):
    monkeypatch.setattr(rotation, "encrypted_models", lambda: [Diary])
    with diaries_table():
        yield


@pytest.fixture
def lasting_diaries(transactional_db, monkeypatch):
    monkeypatch.setattr(rotation, "encrypted_models", lambda: [Diary])
    with diaries_table():
        yield


def key_ids():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT split_part(line, ':', 1), count(*) FROM tests_diary GROUP BY 1"
        )
        return dict(cursor.fetchall())


def write(count):
    texts = [f"line {number}" for number in range(count)]
    Diary.objects.bulk_create(
        [Diary(line=text, phone=text, facts=[text], drawing=b"") for text in texts]
    )
    return sorted(texts)


def lines():
    return sorted(diary.line for diary in Diary.objects.all())


def test_rotation_seals_all_with_the_first_key(diaries, settings):
    texts = write(5)
    Diary.objects.create(line="no phone", phone=None)
    settings.FIELD_ENCRYPTION_KEYS = BOTH
    reports = []

    done = rotation.rotate(Diary, batch=2, report=reports.append)

    assert (done.sealed, done.left, done.unreadable) == (6, 0, [])
    assert reports == [2, 4, 6]
    settings.FIELD_ENCRYPTION_KEYS = NEW
    assert key_ids() == {"new": 6}
    assert lines() == sorted([*texts, "no phone"])
    assert Diary.objects.get(phone=None).line == "no phone"


def test_rotation_seals_documents_and_bytes(diaries, settings):
    Diary.objects.create(line="x", facts={"a": 1}, drawing=b"old:\x00")
    settings.FIELD_ENCRYPTION_KEYS = BOTH
    diary = Diary.objects.get()
    diary.save(update_fields=["line", "facts"])

    assert rotation.rotate(Diary).sealed == 1
    assert rotation.count_stale(Diary) == 0

    settings.FIELD_ENCRYPTION_KEYS = NEW
    diary = Diary.objects.get()
    assert (diary.facts, diary.drawing) == ({"a": 1}, b"old:\x00")


def test_rotation_renews_blind_indexes(diaries, settings):
    write(2)
    settings.FIELD_ENCRYPTION_KEYS = BOTH

    rotation.rotate(Diary)

    settings.FIELD_ENCRYPTION_KEYS = NEW
    found = Diary.objects.filter(line_index__in=blind_indexes("line1", purpose="diary"))
    assert [diary.line for diary in found] == ["line 1"]


def test_rotation_again_has_nothing_to_do(diaries, settings):
    write(3)
    settings.FIELD_ENCRYPTION_KEYS = BOTH
    rotation.rotate(Diary)

    assert rotation.rotate(Diary).sealed == 0


def test_rotation_leaves_what_no_key_opens(diaries, settings):
    write(3)
    broken = Diary.objects.order_by("pk").first()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tests_diary SET line = 'gone:AAAA' WHERE id = %s", [broken.pk]
        )
    settings.FIELD_ENCRYPTION_KEYS = BOTH

    done = rotation.rotate(Diary, batch=1)

    assert (done.sealed, done.left) == (2, 1)
    assert done.unreadable == [str(broken.pk)]


class Killed(BaseException):
    pass


def test_a_stopped_rotation_is_resumed(diaries, settings):
    texts = write(6)
    settings.FIELD_ENCRYPTION_KEYS = BOTH

    def stop(sealed):
        if sealed == 4:
            raise Killed

    with pytest.raises(Killed):
        rotation.rotate(Diary, batch=2, report=stop)
    assert key_ids() == {"new": 4, "old": 2}
    assert lines() == texts

    assert rotation.rotate(Diary, batch=2).sealed == 2
    assert key_ids() == {"new": 6}


KILLED_HALFWAY = """
import os, signal, sys
import django
django.setup()
from core import rotation
from core.tests.diaries import Diary
def die(sealed):
    if sealed == 4:
        os.kill(os.getpid(), signal.SIGKILL)
rotation.rotate(Diary, batch=2, report=die)
"""


def test_a_killed_rotation_is_resumed(lasting_diaries, settings, monkeypatch):
    texts = write(6)
    monkeypatch.setenv("TEST_KEYS", BOTH)
    code = KILLED_HALFWAY.replace(
        "from core import rotation",
        "from django.conf import settings\n"
        "settings.FIELD_ENCRYPTION_KEYS = os.environ['TEST_KEYS']\n"
        "from core import rotation",
    )
    with running("-c", code) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output

    settings.FIELD_ENCRYPTION_KEYS = BOTH
    assert key_ids() == {"new": 4, "old": 2}
    assert rotation.rotate(Diary, batch=2).sealed == 2
    assert lines() == texts


def write_meanwhile(monkeypatch, write_first):
    """Have somebody write after rotation has read its rows, before it writes them."""
    seal = rotation._sealed_anew  # noqa: SLF001 -- the moment between the two
    writes = [write_first]

    def sealed_anew(row, fields):
        if writes:
            writes.pop()()
        return seal(row, fields)

    monkeypatch.setattr(rotation, "_sealed_anew", sealed_anew)


def change_line():
    diary = Diary.objects.get()
    diary.line = "changed meanwhile"
    diary.save()


def test_rotation_never_undoes_a_write_in_between(diaries, settings, monkeypatch):
    write(1)
    settings.FIELD_ENCRYPTION_KEYS = BOTH
    write_meanwhile(monkeypatch, change_line)

    done = rotation.rotate(Diary)

    assert (done.sealed, done.left) == (0, 0)
    assert lines() == ["changed meanwhile"]


def test_without_its_condition_rotation_undoes_the_write(
    diaries, settings, monkeypatch
):
    write(1)
    settings.FIELD_ENCRYPTION_KEYS = BOTH
    write_meanwhile(monkeypatch, change_line)
    build = rotation._update  # noqa: SLF001 -- the control takes the condition out

    def update(*arguments):
        query, values = build(*arguments)
        text = query.as_string(connection.connection)
        return text.replace("IS NOT DISTINCT FROM", "IS NOT NULL OR NULL ="), values

    monkeypatch.setattr(rotation, "_update", update)

    rotation.rotate(Diary)

    assert lines() == ["line 0"]


def test_a_row_that_somebody_holds_is_not_waited_for(lasting_diaries, settings):
    write(2)
    settings.FIELD_ENCRYPTION_KEYS = BOTH
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM tests_diary ORDER BY id LIMIT 1 FOR UPDATE")

        done = rotation.rotate(Diary)

        assert (done.sealed, done.left) == (1, 1)
        # Who only hangs up may hold the row for another moment.
        other.rollback()
    finally:
        other.close()
    assert rotation.rotate(Diary).sealed == 1


def test_command_shows_how_far_it_is(diaries, settings, capsys):
    write(3)
    require_keys()
    settings.FIELD_ENCRYPTION_KEYS = BOTH

    call_command("rotate_encryption", batch=2, retire=True)

    assert capsys.readouterr().out.splitlines() == [
        f"[{'#' * 20:<30}] 2 of 3 core.Diary",
        f"[{'#' * 30}] 3 of 3 core.Diary",
        f"[{'#' * 30}] 3 of 3 core.Diary",
        "Everything is sealed with the key 'new'.",
        "The key 'old' can leave the settings.",
    ]
    settings.FIELD_ENCRYPTION_KEYS = NEW
    assert lost_keys() == []


def test_command_names_rows_that_no_key_opens(diaries, settings):
    write(1)
    diary = Diary.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tests_diary SET line = 'gone:AAAA'")
    settings.FIELD_ENCRYPTION_KEYS = BOTH

    with pytest.raises(CommandError) as error:
        call_command("rotate_encryption", retire=True)

    assert str(error.value) == f"core.Diary: no key opens 1 rows: {diary.pk}."


def test_every_encrypted_model_of_the_shop_is_known():
    names = {model._meta.label for model in rotation.encrypted_models()}  # noqa: SLF001 -- Django's public API

    assert "core.Diary" not in names


# Losing keys.


@pytest.mark.django_db
def test_a_key_once_used_must_stay(settings):
    require_keys()
    settings.FIELD_ENCRYPTION_KEYS = NEW

    with pytest.raises(LostKeyError) as error:
        require_keys()

    assert str(error.value) == (
        "FIELD_ENCRYPTION_KEYS lacks the key 'old', with which data in this database is encrypted: bring it back, or nobody can read that data again."
    )
    assert not EncryptionKey.objects.filter(pk="new").exists()


@pytest.mark.django_db
def test_a_key_under_the_id_of_another_is_noticed(settings):
    require_keys()
    settings.FIELD_ENCRYPTION_KEYS = key("old", b"x")

    with pytest.raises(LostKeyError, match="another key under the id 'old'"):
        require_keys()


@pytest.mark.django_db
def test_of_two_nodes_with_different_keys_one_starts(settings, monkeypatch):
    require_keys()
    settings.FIELD_ENCRYPTION_KEYS = key("old", b"x")
    answers = iter([[], lost_keys()])
    monkeypatch.setattr(key_proofs, "lost_keys", lambda: next(answers))

    with pytest.raises(LostKeyError, match="another key under the id 'old'"):
        require_keys()


@pytest.mark.django_db
def test_a_new_first_key_is_noted(settings):
    require_keys()
    settings.FIELD_ENCRYPTION_KEYS = BOTH

    require_keys()

    assert lost_keys() == []
    assert {*EncryptionKey.objects.values_list("pk", flat=True)} == {"new", "old"}


@pytest.mark.django_db
def test_a_database_without_the_table_stops_nobody(caplog):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_encryptionkey RENAME TO gone")
    with transaction.atomic():
        sid = transaction.savepoint()
        require_keys()
        transaction.savepoint_rollback(sid)

    assert "could not be proved" in caplog.text
