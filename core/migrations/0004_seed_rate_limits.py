from django.db import migrations

GENERAL = [
    # An anonymous caller is an address, and behind it a household or an office.
    ("burst", "anonymous", "principal", 200, 10),
    ("minute", "anonymous", "principal", 600, 60),
    ("burst", "customer", "principal", 100, 10),
    ("minute", "customer", "principal", 400, 60),
    ("address", "customer", "ip", 3000, 60),
    ("burst", "staff", "principal", 300, 10),
    ("minute", "staff", "principal", 1800, 60),
]
# Strict: also while Valkey is out.
BY_ROUTE = [
    ("login", "ip", "POST", "/api/v1/auth/login", 5, 60),
    ("login-account", "account", "POST", "/api/v1/auth/login", 5, 60),
    ("admin-login", "ip", "POST", "/admin/login/", 5, 60),
    ("admin-login-account", "account", "POST", "/admin/login/", 5, 60),
    ("password-reset", "account", "POST", "/api/v1/auth/forgot-password", 3, 3600),
    ("password-reset-address", "ip", "POST", "/api/v1/auth/forgot-password", 20, 3600),
    ("checkout", "principal", "POST", "/api/v1/carts/{cart_id}/checkout", 20, 60),
]
WEIGHTS = [
    ("GET", "/api/v1/search", 2),
    ("POST", "/api/v1/imports", 10),
    ("POST", "/api/v1/exports", 10),
]


def seed(apps, schema_editor):
    Policy = apps.get_model("core", "RateLimitPolicy")
    Weight = apps.get_model("core", "RouteWeight")
    # What is there already, as after a way back, stays as the shop has made it.
    Policy.objects.bulk_create(
        [
            Policy(name=name, role=role, per=per, quota=quota, window_seconds=window)
            for name, role, per, quota, window in GENERAL
        ],
        ignore_conflicts=True,
    )
    Policy.objects.bulk_create(
        [
            Policy(
                name=name,
                per=per,
                method=method,
                path=path,
                quota=quota,
                window_seconds=window,
                is_strict=True,
            )
            for name, per, method, path, quota, window in BY_ROUTE
        ],
        ignore_conflicts=True,
    )
    Weight.objects.bulk_create(
        [Weight(method=method, path=path, cost=cost) for method, path, cost in WEIGHTS],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("core", "0003_rate_limits")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
