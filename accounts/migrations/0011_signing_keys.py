import core.encryption
import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_admins_keep_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("kid", models.CharField(max_length=32, unique=True)),
                ("algorithm", models.CharField(max_length=16)),
                ("secret", core.encryption.EncryptedTextField()),
                ("created_at", models.DateTimeField()),
                ("signs_from", models.DateTimeField()),
                ("verifies_until", models.DateTimeField(blank=True, null=True)),
            ],
        ),
    ]
