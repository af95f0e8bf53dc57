import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import core.ids


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_admins_edit_limits")]

    operations = [
        migrations.CreateModel(
            name="ActivityEntry",
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
                ("kind", models.CharField(max_length=40)),
                ("at", models.DateTimeField()),
                (
                    "address",
                    models.CharField(blank=True, default="", max_length=45),
                ),
                (
                    "device_name",
                    models.CharField(blank=True, default="", max_length=100),
                ),
                (
                    "user_agent",
                    models.CharField(blank=True, default="", max_length=300),
                ),
                ("details", models.JSONField(blank=True, default=dict)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "activity entries",
                "indexes": [
                    models.Index(
                        fields=["user", "-at", "-id"], name="accounts_activity_of_user"
                    ),
                    django.contrib.postgres.indexes.BrinIndex(
                        autosummarize=True, fields=["at"], name="accounts_activity_age"
                    ),
                ],
            },
        ),
    ]
