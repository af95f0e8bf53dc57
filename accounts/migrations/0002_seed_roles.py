from django.db import migrations

ACTIONS = ("view", "add", "change", "delete")
# Role → what it may do: "app.*" stands for every model of the app.
ROLES = {
    "customer": {},
    "support": {
        "orders.*": ("view", "change"),
        "accounts.user": ("view",),
    },
    "catalog_manager": {"catalog.*": ACTIONS},
    "warehouse": {
        "inventory.*": ("view", "change", "add"),
        "catalog.*": ("view",),
    },
    "moderator": {"catalog.*": ("view",)},
    "admin": {
        "accounts.*": ACTIONS,
        "auth.group": ACTIONS,
        "catalog.*": ACTIONS,
        "inventory.*": ACTIONS,
        "orders.*": ACTIONS,
        "notifications.*": ("view", "change"),
        "core.*": ("view", "change"),
    },
}


def seed_roles(apps, schema_editor):
    """Create the groups with their permissions; what is there already stays.

    Django makes permissions only after all migrations have run, so the missing ones are
    made here, in the very form that Django would give them.
    """
    Group = apps.get_model("auth", "Group")
    for role, grants in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.add(
            *(
                permission(apps, model, action)
                for pattern, actions in grants.items()
                for model in models_of(apps, pattern)
                for action in actions
            )
        )


def models_of(apps, pattern):
    app_label, model_name = pattern.split(".")
    if model_name != "*":
        return [apps.get_model(app_label, model_name)]
    return [
        model
        for model in apps.get_app_config(app_label).get_models()
        if not model._meta.auto_created and not model._meta.proxy
    ]


def permission(apps, model, action):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    options = model._meta
    content_type, _ = ContentType.objects.get_or_create(
        app_label=options.app_label, model=options.model_name
    )
    found, _ = Permission.objects.get_or_create(
        content_type=content_type,
        codename=f"{action}_{options.model_name}",
        defaults={"name": f"Can {action} {options.verbose_name}"},
    )
    return found


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("core", "0001_initial"),
        ("catalog", "0001_initial"),
        ("inventory", "0001_initial"),
        ("orders", "0001_initial"),
        ("notifications", "0001_initial"),
    ]
    operations = [migrations.RunPython(seed_roles, migrations.RunPython.noop)]
