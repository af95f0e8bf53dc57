from importlib import import_module

from django.db import migrations

# Retention and erasure say so in their transaction; nobody ever changes an entry.
REFUSE = """
CREATE FUNCTION accounts_refuse_activity_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       AND current_setting('shopwright.removes_activity', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'accounts_activityentry is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER accounts_activityentry_append_only
    BEFORE UPDATE OR DELETE ON accounts_activityentry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_refuse_activity_change();
CREATE TRIGGER accounts_activityentry_no_truncate
    BEFORE TRUNCATE ON accounts_activityentry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_refuse_activity_change();
"""
ALLOW = """
DROP TRIGGER accounts_activityentry_no_truncate ON accounts_activityentry;
DROP TRIGGER accounts_activityentry_append_only ON accounts_activityentry;
DROP FUNCTION accounts_refuse_activity_change();
"""


def grant(apps, schema_editor):
    seeds = import_module("accounts.migrations.0002_seed_roles")
    admins = apps.get_model("auth", "Group").objects.filter(name="admin").first()
    if admins is None:
        return
    entry = apps.get_model("accounts", "ActivityEntry")
    for action in seeds.ACTIONS:
        admins.permissions.add(seeds.permission(apps, entry, action))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_activity")]

    operations = [
        migrations.RunSQL(REFUSE, ALLOW),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
