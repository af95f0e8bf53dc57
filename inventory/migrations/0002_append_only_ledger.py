from django.db import migrations

# One trigger for TRUNCATE apart, by this name in every app, so that the tests, which
# empty the database by TRUNCATE, can switch it off for themselves alone.
REFUSE = """
CREATE FUNCTION inventory_refuse_ledger_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'inventory_movement is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER inventory_movement_append_only
    BEFORE UPDATE OR DELETE ON inventory_movement
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_refuse_ledger_change();
CREATE TRIGGER inventory_movement_no_truncate
    BEFORE TRUNCATE ON inventory_movement
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_refuse_ledger_change();
"""
ALLOW = """
DROP TRIGGER inventory_movement_no_truncate ON inventory_movement;
DROP TRIGGER inventory_movement_append_only ON inventory_movement;
DROP FUNCTION inventory_refuse_ledger_change();
"""


class Migration(migrations.Migration):
    dependencies = [("inventory", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
