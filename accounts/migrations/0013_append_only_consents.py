from importlib import import_module

from django.db import migrations

# Erasure says so in its transaction; nobody ever changes an entry.
REFUSE = """
CREATE FUNCTION accounts_refuse_consent_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       AND current_setting('shopwright.erases_consents', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'accounts_consententry is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER accounts_consententry_append_only
    BEFORE UPDATE OR DELETE ON accounts_consententry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_refuse_consent_change();
CREATE TRIGGER accounts_consententry_no_truncate
    BEFORE TRUNCATE ON accounts_consententry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_refuse_consent_change();
"""
ALLOW = """
DROP TRIGGER accounts_consententry_no_truncate ON accounts_consententry;
DROP TRIGGER accounts_consententry_append_only ON accounts_consententry;
DROP FUNCTION accounts_refuse_consent_change();
"""
MODELS = ("Address", "ConsentEntry", "Preferences")


def grant(apps, schema_editor):
    seeds = import_module("accounts.migrations.0002_seed_roles")
    admins = apps.get_model("auth", "Group").objects.filter(name="admin").first()
    if admins is None:
        return
    for name in MODELS:
        model = apps.get_model("accounts", name)
        for action in seeds.ACTIONS:
            admins.permissions.add(seeds.permission(apps, model, action))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_addresses_and_preferences")]

    operations = [
        migrations.RunSQL(REFUSE, ALLOW),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
