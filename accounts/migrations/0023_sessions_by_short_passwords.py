from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0022_write_domains_as_mail_does")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="is_by_short_password",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
