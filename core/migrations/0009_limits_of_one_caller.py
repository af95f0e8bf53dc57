from django.db import migrations, models

ROLES = [
    ("any", "Any"),
    ("anonymous", "Anonymous"),
    ("customer", "Customer"),
    ("staff", "Staff"),
    ("key", "API key"),
]


class Migration(migrations.Migration):
    dependencies = [("core", "0008_switches")]

    operations = [
        migrations.AddField(
            "ratelimitpolicy",
            "principal",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="One caller alone, instead of the limits per caller of its role.",
                max_length=100,
                verbose_name="only for",
            ),
        ),
        migrations.AlterField(
            "ratelimitpolicy",
            "role",
            models.CharField(choices=ROLES, default="any", max_length=16),
        ),
        migrations.AlterField(
            "ratelimitpolicy",
            "per",
            models.CharField(
                choices=[
                    ("principal", "Caller (user or key, else address)"),
                    ("ip", "Address"),
                    ("account", "Account that is signed in to"),
                    ("pair", "Account and address together"),
                ],
                default="principal",
                max_length=16,
            ),
        ),
        migrations.RemoveConstraint(
            "ratelimitpolicy", "core_ratelimitpolicy_name_per_role"
        ),
        migrations.AddConstraint(
            "ratelimitpolicy",
            models.UniqueConstraint(
                fields=("name", "role", "principal"),
                name="core_ratelimitpolicy_name_per_role_and_principal",
            ),
        ),
        migrations.AddConstraint(
            "ratelimitpolicy",
            models.CheckConstraint(
                condition=models.Q(("principal", ""))
                | models.Q(("path", "*"), ("per", "principal")),
                name="core_ratelimitpolicy_of_one_caller_is_general",
            ),
        ),
    ]
