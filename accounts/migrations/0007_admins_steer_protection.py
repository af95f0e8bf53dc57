from importlib import import_module

from django.db import migrations

MODELS = ("switch", "breakercontrol")


def grant(apps, schema_editor):
    seeds = import_module("accounts.migrations.0002_seed_roles")
    admins = apps.get_model("auth", "Group").objects.filter(name="admin").first()
    if admins is None:
        return
    for name in MODELS:
        model = apps.get_model("core", name)
        for action in seeds.ACTIONS:
            admins.permissions.add(seeds.permission(apps, model, action))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_sessions"),
        ("core", "0008_switches"),
    ]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
