from django.db import migrations, models

from core.encryption import EncryptedBinaryField


class Migration(migrations.Migration):
    dependencies = [("core", "0014_seed_limit_of_leaving")]

    operations = [
        migrations.RenameField("idempotencyrecord", "body", "plain_body"),
        # Without a default: on the way back, null says that a row is still to be opened.
        migrations.AlterField(
            "idempotencyrecord", "plain_body", models.BinaryField(null=True)
        ),
        migrations.AddField(
            "idempotencyrecord", "body", EncryptedBinaryField(null=True, blank=True)
        ),
    ]
