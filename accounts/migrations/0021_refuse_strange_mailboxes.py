from django.db import migrations, models

import core.mailboxes


class Migration(migrations.Migration):
    dependencies = [("accounts", "0020_audited_tables")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="email",
            field=models.EmailField(
                max_length=254,
                unique=True,
                validators=[core.mailboxes.MailboxValidator()],
            ),
        )
    ]
