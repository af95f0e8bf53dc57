from django.db import migrations

# DELETE /auth/me asks for the password, and is no place to guess it with a stolen session.
PATH = "/api/v1/auth/me"
LIMITS = [("delete-account", 5, 60), ("delete-account-hour", 20, 3600)]


def seed(apps, schema_editor):
    Policy = apps.get_model("core", "RateLimitPolicy")
    # A shop may have a limit of that name already, made by hand; it stays as it is.
    Policy.objects.bulk_create(
        [
            Policy(
                name=name,
                per="principal",
                method="DELETE",
                path=PATH,
                quota=quota,
                window_seconds=window,
                is_strict=True,
            )
            for name, quota, window in LIMITS
        ],
        ignore_conflicts=True,
    )


def unseed(apps, schema_editor):
    names = [name for name, *_ in LIMITS]
    apps.get_model("core", "RateLimitPolicy").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [("core", "0013_one_set_of_sign_in_limits")]

    operations = [migrations.RunPython(seed, unseed)]
