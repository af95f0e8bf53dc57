from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    # Built beside the running shop, which a transaction could not do.
    atomic = False
    dependencies = [
        ("accounts", "0013_append_only_consents"),
        # It brings pg_trgm.
        ("catalog", "0002_search"),
    ]

    operations = [
        AddIndexConcurrently(
            "user",
            models.Index(fields=["-created_at", "-id"], name="accounts_user_newest"),
        ),
        AddIndexConcurrently(
            "user",
            GinIndex(
                OpClass("email", name="gin_trgm_ops"), name="accounts_user_email_parts"
            ),
        ),
        AddIndexConcurrently(
            "user",
            GinIndex(
                OpClass(Upper("name"), name="gin_trgm_ops"),
                name="accounts_user_name_parts",
            ),
        ),
    ]
