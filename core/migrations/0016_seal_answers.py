from django.db import migrations

from core.sealed_columns import open_columns, seal_columns

COLUMNS = {"plain_body": "body"}


def seal(apps, schema_editor):
    record = apps.get_model("core", "IdempotencyRecord")
    seal_columns(record, COLUMNS, until_null="plain_body")


def unseal(apps, schema_editor):
    record = apps.get_model("core", "IdempotencyRecord")
    open_columns(record, COLUMNS, until_null="plain_body")


class Migration(migrations.Migration):
    # In batches, each for itself: a run that is killed is gone on with by the next.
    atomic = False
    dependencies = [("core", "0015_room_for_sealed_answers")]

    operations = [migrations.RunPython(seal, unseal)]
