import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    # A large ledger stays writable while the index is built.
    atomic = False

    dependencies = [("inventory", "0002_append_only_ledger")]

    operations = [
        AddIndexConcurrently(
            model_name="movement",
            index=django.contrib.postgres.indexes.BrinIndex(
                fields=["created_at"],
                autosummarize=True,
                name="inventory_movement_created_at",
            ),
        ),
    ]
