from django.db import migrations

MINUTE, HOUR = 60, 3600

LIMITS = [
    # A stolen session must not become a place to guess the password.
    ("change-password", "principal", "/api/v1/auth/change-password", 5, MINUTE),
    ("change-password-hour", "principal", "/api/v1/auth/change-password", 20, HOUR),
    ("change-email", "principal", "/api/v1/auth/change-email", 5, MINUTE),
    ("change-email-hour", "principal", "/api/v1/auth/change-email", 20, HOUR),
    # Each may send a mail, and nobody's mailbox is to be flooded.
    ("register", "ip", "/api/v1/auth/register", 20, HOUR),
    ("register-account", "account", "/api/v1/auth/register", 5, HOUR),
    ("verification", "ip", "/api/v1/auth/resend-verification", 20, HOUR),
    ("verification-account", "account", "/api/v1/auth/resend-verification", 3, HOUR),
]


def seed(apps, schema_editor):
    Policy = apps.get_model("core", "RateLimitPolicy")
    # A shop may have a limit of that name already, made by hand; it stays as it is.
    Policy.objects.bulk_create(
        [
            Policy(
                name=name,
                per=per,
                method="POST",
                path=path,
                quota=quota,
                window_seconds=window,
                is_strict=True,
            )
            for name, per, path, quota, window in LIMITS
        ],
        ignore_conflicts=True,
    )


def unseed(apps, schema_editor):
    names = [name for name, *_ in LIMITS]
    apps.get_model("core", "RateLimitPolicy").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [("core", "0010_seed_key_limits")]

    operations = [migrations.RunPython(seed, unseed)]
