from django.db import migrations, models
from django.db.models import Func

# In two steps: a default that differs from row to row would rewrite the table at once.
ADD_COLUMN = """
ALTER TABLE core_auditentry ADD COLUMN transaction_id bigint NULL;
ALTER TABLE core_auditentry ALTER COLUMN transaction_id SET DEFAULT txid_current();
"""
REFUSE = """
CREATE TRIGGER core_auditentry_no_truncate
    BEFORE TRUNCATE ON core_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_audit_change();
CREATE FUNCTION core_refuse_seal_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'core_auditseal is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER core_auditseal_append_only
    BEFORE UPDATE OR DELETE ON core_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_seal_change();
CREATE TRIGGER core_auditseal_no_truncate
    BEFORE TRUNCATE ON core_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_seal_change();
"""
ALLOW = """
DROP TRIGGER core_auditseal_no_truncate ON core_auditseal;
DROP TRIGGER core_auditseal_append_only ON core_auditseal;
DROP FUNCTION core_refuse_seal_change();
DROP TRIGGER core_auditentry_no_truncate ON core_auditentry;
"""
# Writes down what no service has: the arguments are the subject's type and the names of
# the columns, those whose values are nobody's business behind a "-".
AUDIT = """
CREATE FUNCTION core_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    is_now jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    subject text := coalesce(is_now ->> TG_ARGV[1], was ->> TG_ARGV[1]);
    said jsonb;
    said_all boolean;
    listed text;
    name text;
    before jsonb := '{}';
    after jsonb := '{}';
BEGIN
    -- What services have said of this subject in this transaction.
    SELECT coalesce(jsonb_object_agg(part.key, true) FILTER (WHERE part.key IS NOT NULL), '{}'),
        coalesce(bool_or(part.key IS NULL), false)
    INTO said, said_all
    FROM core_auditentry entry
        LEFT JOIN LATERAL jsonb_each(entry.before || entry.after) part ON true
    WHERE entry.subject_type = TG_ARGV[0] AND entry.subject_id = subject
        AND entry.transaction_id = txid_current() AND entry.action NOT LIKE 'row#_%' ESCAPE '#';
    -- An action without columns says it all, and so does any about a row that came or went.
    IF said_all OR (said <> '{}' AND TG_OP <> 'UPDATE' AND TG_ARGV[3] IS NULL) THEN
        RETURN NULL;
    END IF;
    FOREACH listed IN ARRAY string_to_array(TG_ARGV[2], ',') LOOP
        name := ltrim(listed, '-');
        CONTINUE WHEN was -> name IS NOT DISTINCT FROM is_now -> name;
        CONTINUE WHEN said ? name OR said ? coalesce(TG_ARGV[3], '');
        IF TG_OP <> 'INSERT' THEN
            before := before || jsonb_build_object(
                name, CASE WHEN listed LIKE '-%' THEN '"(masked)"' ELSE was -> name END);
        END IF;
        IF TG_OP <> 'DELETE' THEN
            after := after || jsonb_build_object(
                name, CASE WHEN listed LIKE '-%' THEN '"(masked)"' ELSE is_now -> name END);
        END IF;
    END LOOP;
    IF before = '{}' AND after = '{}' THEN
        RETURN NULL;
    END IF;
    INSERT INTO core_auditentry
        (id, subject_type, subject_id, action, actor_id, request_id, before, after, created_at)
    VALUES (
        -- A UUIDv7, which PostgreSQL makes by itself from 18 on only.
        encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(
            int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
            FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid,
        TG_ARGV[0], subject, 'row_' || lower(TG_OP),
        nullif(current_setting('shopwright.actor', true), '')::uuid,
        coalesce(current_setting('shopwright.request', true), ''),
        before, after, clock_timestamp());
    RETURN NULL;
END $$;
"""
# Table, its subject's type, the column that is the subject's id, the columns audited,
# and the word that a service's entry has for a table that joins two others.
AUDITED = (
    (
        "core_ratelimitpolicy",
        "core.ratelimitpolicy",
        "id",
        "name,role,per,method,path,quota,window_seconds,burst,is_enforced,is_strict,principal",
    ),
    ("core_routeweight", "core.routeweight", "id", "method,path,cost"),
    ("core_addressblock", "core.addressblock", "id", "network,reason,source,ends_at"),
    ("core_switch", "core.switch", "id", "name,mode"),
    ("core_breakercontrol", "core.breakercontrol", "id", "name,state,closings"),
)


def audit_row(table, subject, key, columns, word="", *, inserted="true"):
    """Watch a table. At the commit, so that the services' own entries are there."""
    arguments = ", ".join(f"'{text}'" for text in (subject, key, columns, word) if text)
    watched = ", ".join(column.lstrip("-") for column in columns.split(","))
    create = "CREATE CONSTRAINT TRIGGER {name} AFTER {event} ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION core_audit_row({arguments})"
    # An UPDATE that names none of the columns, such as last_login, costs nothing.
    events = {
        f"{table}_audit_insert": ("INSERT", inserted),
        f"{table}_audit_update": (f"UPDATE OF {watched}", "true"),
        f"{table}_audit_delete": ("DELETE", "true"),
    }
    return migrations.RunSQL(
        [
            create.format(
                name=name, event=event, when=when, table=table, arguments=arguments
            )
            for name, (event, when) in events.items()
        ],
        [f"DROP TRIGGER {name} ON {table}" for name in events],
    )


class Migration(migrations.Migration):
    dependencies = [("core", "0011_seed_limits_of_account_forms")]

    operations = [
        migrations.RunSQL(
            ADD_COLUMN,
            "ALTER TABLE core_auditentry DROP COLUMN transaction_id",
            state_operations=[
                migrations.AddField(
                    "auditentry",
                    "transaction_id",
                    models.BigIntegerField(
                        db_default=Func(function="txid_current"),
                        editable=False,
                        null=True,
                    ),
                )
            ],
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                (
                    "position",
                    models.BigIntegerField(
                        editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("entry_id", models.UUIDField(editable=False, unique=True)),
                ("digest", models.BinaryField(max_length=32)),
                ("sealed_at", models.DateTimeField(editable=False)),
            ],
        ),
        migrations.RunSQL(REFUSE, ALLOW),
        migrations.RunSQL(AUDIT, "DROP FUNCTION core_audit_row()"),
        *(audit_row(*table) for table in AUDITED),
    ]
