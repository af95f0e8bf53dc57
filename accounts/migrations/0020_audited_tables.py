from importlib import import_module

from django.db import migrations

audit_row = import_module("core.migrations.0012_audit_chain").audit_row

USER_COLUMNS = "-email,-password,is_active,is_staff,is_superuser,email_verified_at,erase_after,erased_at"
AUDITED = (
    ("accounts_user_groups", "accounts.user", "user_id", "group_id", "roles"),
    ("accounts_user_user_permissions", "accounts.user", "user_id", "permission_id"),
    ("auth_group", "auth.group", "id", "name"),
    (
        "auth_group_permissions",
        "auth.group",
        "group_id",
        "permission_id",
        "permissions",
    ),
    (
        "accounts_apikey",
        "accounts.apikey",
        "id",
        "name,mode,scopes,expires_at,revoked_at,created_by_id",
    ),
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0019_limits_of_asking"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("core", "0012_audit_chain"),
    ]

    operations = [
        audit_row(
            *("accounts_user", "accounts.user", "id", USER_COLUMNS),
            # A customer's registration gives nobody rights.
            inserted="NEW.is_staff OR NEW.is_superuser",
        ),
        *(audit_row(*table) for table in AUDITED),
    ]
