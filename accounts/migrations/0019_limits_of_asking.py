from django.db import migrations


class Migration(migrations.Migration):
    """Seeded limits that core seeds too; core's 0013 settles both histories."""

    dependencies = [
        ("accounts", "0018_existing_people_are_verified"),
        ("core", "0004_seed_rate_limits"),
    ]

    operations = []
