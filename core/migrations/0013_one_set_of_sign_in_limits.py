from django.db import migrations

AUTH = "/api/v1/auth"
MINUTE, HOUR, DAY = 60, 3600, 86_400

# Of the forms that mailed links lead to. The other forms' are in 0011.
LIMITS = [
    ("verify-email", "ip", f"{AUTH}/verify-email", 60, HOUR),
    ("reset-password", "ip", f"{AUTH}/reset-password", 20, HOUR),
    ("confirm-email", "ip", f"{AUTH}/confirm-email", 60, HOUR),
]
# Where accounts' 0019 came before 0011, its numbers stood in the way of these.
OUTDATED = [
    (
        ("change-password", "principal", f"{AUTH}/change-password", 10, HOUR),
        {"quota": 5, "window_seconds": MINUTE},
    ),
    (
        ("change-email", "principal", f"{AUTH}/change-email", 10, HOUR),
        {"quota": 5, "window_seconds": MINUTE},
    ),
]
# Of two that say the same, the first goes.
LOGIN, ADMIN, AGAIN = f"{AUTH}/login", "/admin/login/", f"{AUTH}/resend-verification"
TWICE = [
    (
        ("verify-again", "account", AGAIN, 3, HOUR),
        ("verification-account", "account", AGAIN, 3, HOUR),
    ),
    (
        ("verify-again-address", "ip", AGAIN, 20, HOUR),
        ("verification", "ip", AGAIN, 20, HOUR),
    ),
    # The administration's door counts as the API's.
    (
        ("admin-login", "ip", ADMIN, 5, MINUTE),
        ("login", "ip", LOGIN, 5, MINUTE),
    ),
    (
        ("admin-login-hour", "ip", ADMIN, 60, HOUR),
        ("login-hour", "ip", LOGIN, 60, HOUR),
    ),
    (
        ("admin-login-account", "account", ADMIN, 5, MINUTE),
        ("login-account", "account", LOGIN, 5, MINUTE),
    ),
    (
        ("admin-login-account-hour", "account", ADMIN, 30, HOUR),
        ("login-account-hour", "account", LOGIN, 30, HOUR),
    ),
    (
        ("admin-login-account-day", "account", ADMIN, 100, DAY),
        ("login-account-day", "account", LOGIN, 100, DAY),
    ),
    (
        ("admin-login-pair", "pair", ADMIN, 4, MINUTE),
        ("login-pair", "pair", LOGIN, 3, MINUTE),
    ),
    (
        ("admin-login-pair-hour", "pair", ADMIN, 10, HOUR),
        ("login-pair-hour", "pair", LOGIN, 10, HOUR),
    ),
]


def columns(name, per, path, quota, window):
    return {
        "name": name,
        "per": per,
        "method": "POST",
        "path": path,
        "quota": quota,
        "window_seconds": window,
        "is_strict": True,
    }


def untouched(limit):
    """As it was seeded. What a shop has changed since stays what the shop made of it."""
    rest = {"role": "any", "principal": "", "burst": None, "is_enforced": True}
    return columns(*limit) | rest


def seed(apps, schema_editor):
    Policy = apps.get_model("core", "RateLimitPolicy")
    Policy.objects.bulk_create(
        [Policy(**columns(*limit)) for limit in LIMITS], ignore_conflicts=True
    )
    for limit, now in OUTDATED:
        Policy.objects.filter(**untouched(limit)).update(**now)
    for limit, other in TWICE:
        # Where a shop has loosened or removed the other one, both stay.
        if Policy.objects.filter(**untouched(other)).exists():
            Policy.objects.filter(**untouched(limit)).delete()


class Migration(migrations.Migration):
    dependencies = [("core", "0012_audit_chain")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
