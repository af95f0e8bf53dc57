from django.db import migrations

TABLES = ("orders_paymentevent", "orders_timelineentry")

REFUSE = """
CREATE FUNCTION orders_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def triggers():
    for table in TABLES:
        yield migrations.RunSQL(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION orders_refuse_change()",
            f"DROP TRIGGER {table}_append_only ON {table}",
        )


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_order_numbers")]

    operations = [
        migrations.RunSQL(REFUSE, "DROP FUNCTION orders_refuse_change()"),
        *triggers(),
    ]
