from django.db import migrations

# Whoever erases a person may blank a message of the timeline, and nothing else.
ERASE = """
CREATE FUNCTION orders_refuse_change_of_timeline() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('shopwright.erases', true) = 'on'
        AND NEW.message = ''
        AND to_jsonb(NEW) - 'message' = to_jsonb(OLD) - 'message'
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER orders_timelineentry_append_only ON orders_timelineentry;
CREATE TRIGGER orders_timelineentry_append_only
    BEFORE UPDATE OR DELETE ON orders_timelineentry
    FOR EACH ROW EXECUTE FUNCTION orders_refuse_change_of_timeline();
"""
REFUSE = """
DROP TRIGGER orders_timelineentry_append_only ON orders_timelineentry;
CREATE TRIGGER orders_timelineentry_append_only
    BEFORE UPDATE OR DELETE ON orders_timelineentry
    FOR EACH ROW EXECUTE FUNCTION orders_refuse_change();
DROP FUNCTION orders_refuse_change_of_timeline();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_append_only_history")]

    operations = [migrations.RunSQL(ERASE, REFUSE)]
