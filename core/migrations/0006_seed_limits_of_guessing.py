from django.db import migrations

LOGIN = "/api/v1/auth/login"
ADMIN = "/admin/login/"
CODE = "/api/v1/auth/mfa"
MINUTE, HOUR, DAY = 60, 3600, 86_400

# Each longer window grants less per minute, so that whoever goes on failing waits longer
# and longer: seconds, then minutes, then a quarter of an hour. What one address may do to
# an account is less than the account's own, so that it can't use that up.
LIMITS = [
    ("login-hour", "ip", LOGIN, 60, HOUR),
    ("login-day", "ip", LOGIN, 300, DAY),
    ("login-account-hour", "account", LOGIN, 30, HOUR),
    ("login-account-day", "account", LOGIN, 100, DAY),
    ("login-pair", "pair", LOGIN, 3, MINUTE),
    ("login-pair-hour", "pair", LOGIN, 10, HOUR),
    ("login-pair-day", "pair", LOGIN, 30, DAY),
    ("admin-login-hour", "ip", ADMIN, 60, HOUR),
    ("admin-login-account-hour", "account", ADMIN, 30, HOUR),
    ("admin-login-account-day", "account", ADMIN, 100, DAY),
    ("admin-login-pair", "pair", ADMIN, 4, MINUTE),
    ("admin-login-pair-hour", "pair", ADMIN, 10, HOUR),
    ("code", "ip", CODE, 20, MINUTE),
    ("code-account", "account", CODE, 5, MINUTE),
    ("code-account-hour", "account", CODE, 20, HOUR),
    ("code-account-day", "account", CODE, 50, DAY),
    ("step-up", "principal", "/api/v1/auth/step-up", 5, MINUTE),
    ("step-up-hour", "principal", "/api/v1/auth/step-up", 20, HOUR),
    ("totp-confirm", "principal", "/api/v1/auth/mfa/totp/confirm", 10, 600),
    ("passkey", "ip", "/api/v1/auth/passkeys/login*", 30, MINUTE),
    ("oauth", "ip", "/api/v1/auth/oauth/*", 30, MINUTE),
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
    dependencies = [("core", "0005_limit_by_account_and_address")]

    operations = [migrations.RunPython(seed, unseed)]
