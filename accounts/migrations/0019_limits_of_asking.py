from django.db import migrations

# Strict: also while Valkey is out.
LIMITS = [
    ("register", "ip", "POST", "/api/v1/auth/register", 20, 3600),
    ("verify-email", "ip", "POST", "/api/v1/auth/verify-email", 60, 3600),
    ("verify-again", "account", "POST", "/api/v1/auth/resend-verification", 3, 3600),
    (
        "verify-again-address",
        "ip",
        "POST",
        "/api/v1/auth/resend-verification",
        20,
        3600,
    ),
    ("reset-password", "ip", "POST", "/api/v1/auth/reset-password", 20, 3600),
    ("confirm-email", "ip", "POST", "/api/v1/auth/confirm-email", 60, 3600),
    ("change-password", "principal", "POST", "/api/v1/auth/change-password", 10, 3600),
    ("change-email", "principal", "POST", "/api/v1/auth/change-email", 10, 3600),
]


def seed(apps, schema_editor):
    Policy = apps.get_model("core", "RateLimitPolicy")
    for name, per, method, path, quota, window in LIMITS:
        Policy.objects.get_or_create(
            name=name,
            defaults={
                "per": per,
                "method": method,
                "path": path,
                "quota": quota,
                "window_seconds": window,
                "is_strict": True,
            },
        )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0018_existing_people_are_verified"),
        ("core", "0004_seed_rate_limits"),
    ]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
