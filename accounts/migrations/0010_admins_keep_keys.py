from importlib import import_module

from django.db import migrations


def grant(apps, schema_editor):
    seeds = import_module("accounts.migrations.0002_seed_roles")
    admins = apps.get_model("auth", "Group").objects.filter(name="admin").first()
    if admins is None:
        return
    key = apps.get_model("accounts", "ApiKey")
    for action in seeds.ACTIONS:
        admins.permissions.add(seeds.permission(apps, key, action))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_api_keys")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
