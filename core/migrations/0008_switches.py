import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0007_encryption_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="BreakerControl",
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
                (
                    "name",
                    models.CharField(
                        max_length=100, unique=True, verbose_name="breaker"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("automatic", "Automatic"),
                            ("forced_open", "Forced Open"),
                            ("metrics_only", "Metrics Only"),
                            ("disabled", "Disabled"),
                        ],
                        default="automatic",
                        max_length=16,
                    ),
                ),
                ("closings", models.PositiveIntegerField(default=0, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name="Switch",
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
                (
                    "name",
                    models.CharField(
                        choices=[
                            ("rate_limit", "Rate limits and blocked addresses"),
                            ("load_shedding", "Load shedding"),
                            ("breakers", "Circuit breakers"),
                            ("deadlines", "Deadlines"),
                        ],
                        max_length=40,
                        unique=True,
                        verbose_name="protection",
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("enforce", "Enforce"),
                            ("log_only", "Count and log only"),
                            ("off", "Off"),
                        ],
                        max_length=16,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "switches",
            },
        ),
    ]
