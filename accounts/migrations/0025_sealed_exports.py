from django.db import migrations
from django.db.models.functions import Now

from core.encryption import EncryptedTextField


def end_exports_in_clear(apps, schema_editor):
    """Let the files of before go with the next clearing; who wants one asks again."""
    exports = apps.get_model("accounts", "Export").objects
    exports.filter(status="ready", file_key=None).update(expires_at=Now())


class Migration(migrations.Migration):
    dependencies = [("accounts", "0024_doors_of_the_admin")]

    operations = [
        migrations.AddField(
            "export",
            "file_key",
            EncryptedTextField(null=True, blank=True, editable=False),
        ),
        migrations.RunPython(end_exports_in_clear, migrations.RunPython.noop),
    ]
