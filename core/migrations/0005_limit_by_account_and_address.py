from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0004_seed_rate_limits")]

    operations = [
        migrations.AlterField(
            model_name="ratelimitpolicy",
            name="per",
            field=models.CharField(
                choices=[
                    ("principal", "Caller (user, else address)"),
                    ("ip", "Address"),
                    ("account", "Account that is signed in to"),
                    ("pair", "Account and address together"),
                ],
                default="principal",
                max_length=16,
            ),
        ),
    ]
