from django.db import migrations

OF_KEYS = [("burst", 200, 10), ("minute", 1200, 60)]


def seed(apps, schema_editor):
    Policy = apps.get_model("core", "RateLimitPolicy")
    for name, quota, window_seconds in OF_KEYS:
        Policy.objects.get_or_create(
            name=name,
            role="key",
            principal="",
            defaults={"quota": quota, "window_seconds": window_seconds},
        )


def unseed(apps, schema_editor):
    # Without the column they would hold for all keys, and older code has no such role.
    Policy = apps.get_model("core", "RateLimitPolicy")
    Policy.objects.filter(role="key").delete()


class Migration(migrations.Migration):
    dependencies = [("core", "0009_limits_of_one_caller")]

    operations = [migrations.RunPython(seed, unseed)]
