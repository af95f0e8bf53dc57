import base64
import json

import pytest
from django.apps.registry import Apps
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connection, models, transaction
from django.db.migrations.writer import MigrationWriter
from django.db.models import F
from django.test import RequestFactory
from psycopg import sql

from core.encryption import (
    BlindIndexField,
    EncryptedLookupError,
    EncryptedTextField,
    Sealed,
    SealedBytes,
    TamperedError,
    UnknownKeyError,
    UnsealableError,
    blind_index,
    blind_indexes,
    keys,
    seal,
    unseal,
)
from core.tests.diaries import Diary, diaries_table, field


def key(key_id, byte):
    return f"{key_id}:{base64.b64encode(byte * 32).decode()}"


OLD, NEW = key("old", b"o"), key("new", b"n")


@pytest.fixture(autouse=True)
def old_key(settings):
    settings.FIELD_ENCRYPTION_KEYS = OLD


@pytest.fixture
def diaries(db):
    with diaries_table():
        yield


def stored(diary, column="line"):
    with connection.cursor() as cursor:
        query = sql.SQL("SELECT {} FROM tests_diary WHERE id = %s")
        cursor.execute(query.format(sql.Identifier(column)), [diary.pk])
        return cursor.fetchone()[0]


def write_raw(diary, text, column="line"):
    with connection.cursor() as cursor:
        query = sql.SQL("UPDATE tests_diary SET {} = %s WHERE id = %s")
        cursor.execute(query.format(sql.Identifier(column)), [text, diary.pk])


@pytest.mark.parametrize(
    "text",
    ["Main Street 1", "", "Grüße, 日本語 🎉", "a" * 10_000, "test:x", "NUL \x00"],
)
def test_what_is_saved_is_read_again(diaries, text):
    diary = Diary.objects.create(line=text)

    assert Diary.objects.get(pk=diary.pk).line == text
    assert stored(diary).startswith("old:")
    assert len(text) < 5 or text not in stored(diary)


def test_null_stays_null(diaries):
    diary = Diary.objects.create(line="x", phone=None)

    assert stored(diary, "phone") is None
    assert Diary.objects.get(phone=None).phone is None
    assert Diary.objects.filter(line__isnull=False).count() == 1


@pytest.mark.parametrize(
    "facts", [{}, [], {"a": None, "ü": [1.5, True, {"city": "Köln"}]}, "text", 0, False]
)
def test_a_document_that_is_saved_is_read_again(diaries, facts):
    diary = Diary.objects.create(line="x", facts=facts)

    assert Diary.objects.get().facts == facts
    assert stored(diary, "facts").startswith("old:")
    assert Diary.objects.filter(facts=None).count() == 0


def test_a_document_has_its_members_as_jsonb_orders_them(diaries):
    facts = {
        "bb": 1,
        "a": {"zz": [{"cc": 1, "b": 2}], "y": 1},
        "é": 1,
        "aaa": 2,
        "C": 3,
    }
    Diary.objects.create(line="x", facts=facts)
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [json.dumps(facts)])
        (text,) = cursor.fetchone()

    assert json.dumps(Diary.objects.get().facts) == json.dumps(json.loads(text))


@pytest.mark.parametrize("drawing", [b"", b"\x00\xff:old:", bytes(range(256)) * 40])
def test_bytes_that_are_saved_are_read_again(diaries, drawing):
    diary = Diary.objects.create(line="x", drawing=drawing)

    assert Diary.objects.get().drawing == drawing
    sealed = bytes(stored(diary, "drawing"))
    assert sealed.startswith(b"old:")
    assert len(sealed) == len(drawing) + len("old:") + 12 + 16
    assert len(drawing) < 5 or drawing not in sealed


def test_sealed_bytes_of_two_rows_cannot_be_swapped(diaries):
    first = Diary.objects.create(line="x", drawing=b"mine")
    second = Diary.objects.create(line="x", drawing=b"yours")
    write_raw(first, stored(second, "drawing"), "drawing")

    with pytest.raises(TamperedError, match=r"\(tests_diary drawing "):
        _ = Diary.objects.get(pk=first.pk).drawing


@pytest.mark.parametrize("raw", [b"", b"in clear", b"old:", b"old:short", b"\xff:x"])
def test_what_are_no_sealed_bytes_is_refused(diaries, raw):
    diary = Diary.objects.create(line="x", drawing=b"x")
    write_raw(diary, raw, "drawing")

    with pytest.raises((TamperedError, UnknownKeyError)):
        _ = Diary.objects.get().drawing


def test_update_takes_neither_documents_nor_bytes_in_clear(diaries):
    diary = Diary.objects.create(line="a", facts={"a": 1}, drawing=b"a")

    for plain in ({"facts": {"b": 1}}, {"drawing": b"b"}):
        with pytest.raises(UnsealableError), transaction.atomic():
            Diary.objects.update(**plain)
    Diary.objects.update(drawing=field("drawing").sealed_for(diary, b"c"))

    (sealed,) = Diary.objects.values_list("drawing", flat=True)
    assert isinstance(sealed, SealedBytes)
    assert repr(sealed) == "<sealed>"
    assert (Diary.objects.get().facts, Diary.objects.get().drawing) == ({"a": 1}, b"c")


def test_equal_texts_look_different(diaries):
    first, second = (Diary.objects.create(line="same") for _ in range(2))

    assert stored(first) != stored(second)


def test_saving_again_seals_again(diaries):
    diary = Diary.objects.create(line="same")
    before = stored(diary)

    Diary.objects.get(pk=diary.pk).save()

    assert stored(diary) != before
    assert Diary.objects.get().line == "same"


def test_texts_of_two_rows_cannot_be_swapped(diaries):
    first = Diary.objects.create(line="mine")
    second = Diary.objects.create(line="yours")
    write_raw(first, stored(second))

    with pytest.raises(TamperedError, match=r"\(tests_diary line "):
        _ = Diary.objects.get(pk=first.pk).line


def test_texts_of_two_columns_cannot_be_swapped(diaries):
    diary = Diary.objects.create(line="mine", phone="phone")
    write_raw(diary, stored(diary, "phone"))

    with pytest.raises(TamperedError):
        _ = Diary.objects.get().line
    assert Diary.objects.get().phone == "phone"


def test_a_row_copied_under_another_key_is_not_saved(diaries):
    diary = Diary.objects.create(line="mine")
    copy = Diary.objects.get()
    copy.pk = Diary().pk

    with pytest.raises(TamperedError), transaction.atomic():
        copy.save(force_insert=True)
    assert Diary.objects.get().pk == diary.pk


@pytest.mark.parametrize("place", [4, 20, -2])
def test_a_changed_letter_is_noticed(diaries, place):
    diary = Diary.objects.create(line="mine and nobody else's")
    text = stored(diary)
    letter = "A" if text[place] != "A" else "B"
    write_raw(diary, f"{text[:place]}{letter}{text[place:][1:]}")

    with pytest.raises(TamperedError):
        _ = Diary.objects.get().line


@pytest.mark.parametrize("text", ["in clear", "old:", "old:AAAA", "old:not base64"])
def test_what_is_no_sealed_text_is_refused(diaries, text):
    diary = Diary.objects.create(line="x")
    write_raw(diary, text)

    with pytest.raises(TamperedError):
        _ = Diary.objects.get().line


def test_an_unknown_key_is_named(diaries, settings):
    Diary.objects.create(line="x")
    settings.FIELD_ENCRYPTION_KEYS = NEW

    with pytest.raises(UnknownKeyError, match="has no key 'old'"):
        _ = Diary.objects.get().line


def test_another_key_under_the_same_id_is_noticed(diaries, settings):
    Diary.objects.create(line="x")
    settings.FIELD_ENCRYPTION_KEYS = key("old", b"z")

    with pytest.raises(TamperedError):
        _ = Diary.objects.get().line


def test_the_first_key_seals_and_all_open(diaries, settings):
    before = Diary.objects.create(line="before")
    settings.FIELD_ENCRYPTION_KEYS = f"{NEW},{OLD}"
    after = Diary.objects.create(line="after")

    assert stored(before).startswith("old:")
    assert stored(after).startswith("new:")
    assert {diary.line for diary in Diary.objects.all()} == {"before", "after"}


@pytest.mark.parametrize(
    "query",
    [
        lambda: Diary.objects.filter(line="x"),
        lambda: Diary.objects.exclude(line__icontains="x"),
        lambda: Diary.objects.filter(line__lt=F("phone")),
        lambda: Diary.objects.filter(line__in=["x"]),
    ],
)
def test_a_query_by_content_is_refused(query):
    with pytest.raises(EncryptedLookupError, match=r"core.Diary.line is encrypted"):
        query()


def test_bulk_create_seals(diaries):
    Diary.objects.bulk_create([Diary(line="a"), Diary(line="b")])

    assert sorted(diary.line for diary in Diary.objects.all()) == ["a", "b"]
    assert all(stored(diary).startswith("old:") for diary in Diary.objects.all())


def test_update_takes_no_plain_text(diaries):
    diary = Diary.objects.create(line="a")

    message = r"core.Diary.line takes sealed text"
    with pytest.raises(UnsealableError, match=message), transaction.atomic():
        Diary.objects.update(line="b")
    diary.line = "b"
    with pytest.raises(UnsealableError), transaction.atomic():
        Diary.objects.bulk_update([diary], ["line"])
    assert Diary.objects.get().line == "a"


def test_update_takes_what_is_sealed_for_the_row(diaries):
    diary = Diary.objects.create(line="a", phone="o")

    Diary.objects.update(line=field("line").sealed_for(diary, "b"), phone=None)

    assert Diary.objects.get().line == "b"
    assert Diary.objects.get().phone is None


def test_values_stay_sealed(diaries):
    Diary.objects.create(line="a")

    (text,) = Diary.objects.values_list("line", flat=True)

    assert isinstance(text, Sealed)
    assert repr(text) == "<sealed>"


def test_deferred_and_refreshed_fields_open(diaries):
    Diary.objects.create(line="a")
    diary = Diary.objects.defer("line").get()

    assert diary.line == "a"
    Diary.objects.update(line=field("line").sealed_for(diary, "b"))
    diary.refresh_from_db()
    assert diary.line == "b"


def test_a_row_without_a_key_is_refused():
    diary = Diary(pk=None)

    with pytest.raises(UnsealableError, match="no primary key yet"):
        field("line").sealed_for(diary, "x")


def test_the_administration_shows_and_takes_the_text(diaries, admin_user):
    diary = Diary.objects.create(line="shown")
    request = RequestFactory().get("/")
    request.user = admin_user
    form_class = admin.ModelAdmin(Diary, admin.AdminSite()).get_form(request)

    form = form_class(instance=Diary.objects.get())
    assert form["line"].value() == "shown"
    form = form_class({"line": "new", "facts": '{"a": [1]}'}, instance=diary)
    assert form.is_valid(), form.errors
    form.save()

    assert Diary.objects.get().line == "new"
    assert Diary.objects.get().facts == {"a": [1]}


def test_too_long_a_text_is_refused():
    diary = Diary(line="x" * 20_001)

    with pytest.raises(ValidationError) as error:
        diary.full_clean(validate_unique=False, validate_constraints=False)

    assert [*error.value.error_dict] == ["line"]


@pytest.mark.parametrize("option", [{"unique": True}, {"db_index": True}])
def test_an_index_on_sealed_text_is_an_error(option):
    class Bad(models.Model):
        line = EncryptedTextField(**option)

        class Meta:
            apps = Apps()
            app_label = "core"

        def __str__(self):
            return ""

    found = Bad.check(databases=[])

    assert [error.id for error in found] == ["core.E001"]


def test_blind_index_finds_equal_texts(diaries, settings):
    Diary.objects.create(line="+49 30 123")
    Diary.objects.create(line="+49 30 124")
    settings.FIELD_ENCRYPTION_KEYS = f"{NEW},{OLD}"
    Diary.objects.create(line="+4930123")

    found = Diary.objects.filter(
        line_index__in=blind_indexes("+4930123", purpose="diary")
    )

    assert sorted(diary.line for diary in found) == ["+49 30 123", "+4930123"]


def test_blind_index_tells_purposes_and_keys_apart(settings):
    index = blind_index("a", purpose="phone")

    assert index == blind_index("a", purpose="phone")
    assert len(index) == 32
    assert index != blind_index("a", purpose="email")
    settings.FIELD_ENCRYPTION_KEYS = NEW
    assert index != blind_index("a", purpose="phone")


def test_seal_opens_in_its_own_context_only():
    sealed = seal("token", context="reset:1")

    assert unseal(sealed, context="reset:1") == "token"
    assert "token" not in sealed
    with pytest.raises(TamperedError):
        unseal(sealed, context="reset:2")


def test_sealed_text_never_opens_as_a_field(diaries):
    diary = Diary.objects.create(line="x")
    context = f"tests_diary:line:{diary.pk}"
    write_raw(diary, seal("planted", context=context))

    with pytest.raises(TamperedError):
        _ = Diary.objects.get().line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "FIELD_ENCRYPTION_KEYS must name a key, as id:base64."),
        ("abc", "entry 1: must look like id:base64"),
        (f"{OLD},:x", "entry 2: must look like id:base64"),
        ("a b:x", "entry 1: must look like id:base64"),
        ("k1:???", "the key 'k1' isn't base64"),
        ("k1:c2hvcnQ=", "the key 'k1' has 5 bytes, not 32"),
        (f"{OLD},{OLD}", "names the key 'old' twice"),
    ],
)
def test_bad_keys_are_named_without_being_shown(settings, text, message):
    settings.FIELD_ENCRYPTION_KEYS = text

    with pytest.raises(ImproperlyConfigured) as error:
        keys()

    assert message in str(error.value)
    assert "c2hvcnQ=" not in str(error.value)


def test_fields_can_be_written_into_migrations():
    text, _ = MigrationWriter.serialize(EncryptedTextField(null=True))
    index, _ = MigrationWriter.serialize(BlindIndexField(of="a", purpose="b"))

    assert text == "core.encryption.EncryptedTextField(null=True)"
    assert "of='a', purpose='b'" in index
