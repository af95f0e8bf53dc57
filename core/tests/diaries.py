"""A table with encrypted columns, which exists for a test only."""

from contextlib import contextmanager

from django.apps.registry import Apps
from django.db import connection, models

from core.encryption import (
    BlindIndexField,
    EncryptedBinaryField,
    EncryptedJSONField,
    EncryptedTextField,
)
from core.ids import uuid7


def without_spaces(text):
    return text.replace(" ", "")


class Diary(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    line = EncryptedTextField(max_length=20_000)
    phone = EncryptedTextField(null=True, blank=True)
    facts = EncryptedJSONField(null=True, blank=True)
    drawing = EncryptedBinaryField(null=True, blank=True)
    line_index = BlindIndexField(of="line", purpose="diary", normalized=without_spaces)

    class Meta:
        # A registry of its own: no migration, no content type, no permission.
        apps = Apps()
        app_label = "core"
        db_table = "tests_diary"

    def __str__(self):
        return str(self.pk)


def field(name):
    return Diary._meta.get_field(name)  # noqa: SLF001 -- Django's public API


@contextmanager
def diaries_table():
    with connection.schema_editor() as editor:
        editor.create_model(Diary)
    try:
        yield
    finally:
        if not connection.in_atomic_block:
            with connection.schema_editor() as editor:
                editor.delete_model(Diary)
