from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("core", "0016_seal_answers")]

    operations = [migrations.RemoveField("idempotencyrecord", "plain_body")]
