from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0025_sealed_exports"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="door",
            field=models.CharField(
                choices=[("api", "Api"), ("admin", "Admin")],
                db_default="api",
                default="api",
                max_length=8,
            ),
        ),
    ]
