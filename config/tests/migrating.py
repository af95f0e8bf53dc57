"""Migrate an empty database forth, back and forth again; print what isn't as it was.

A process of its own, since migrations that write rows mean the default database.
"""

import json
import sys

import django
from django.db import connection
from django.db.migrations import RunPython, RunSQL
from django.db.migrations.executor import MigrationExecutor

# What Django can't have got right by itself.
OURS = (RunPython, RunSQL)
# Whatever a migration can make, in the words in which PostgreSQL would make it again.
SCHEMA = """
SELECT concat_ws(' ', 'column', attrelid::regclass, attname, format_type(atttypid, atttypmod),
    'not null' || CASE WHEN attnotnull THEN '' END, 'default ' || pg_get_expr(adbin, adrelid),
    attidentity, attgenerated)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 'n'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
UNION ALL SELECT concat_ws(' ', 'relation', relkind, relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')
UNION ALL SELECT concat_ws(' ', 'extension', extname) FROM pg_extension
"""


def schema():
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        return {line for (line,) in cursor.fetchall()}


def rows():
    """Count what the migrations have written, and nobody else has."""
    with connection.cursor() as cursor:
        counts = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 -- our own tables
            counts[table] = cursor.fetchone()[0]
    return counts


def forth(executor):
    """Apply all to nothing; return each with the state and the schema that it came upon.

    The state is rendered once, and from there only what changes: else it takes a minute.
    """
    graph = executor.loader.graph
    plan = executor.migration_plan(graph.leaf_nodes(), clean_start=True)
    state = executor.loader.project_state([])
    _ = state.apps
    found = []
    for migration, _ in plan:
        found.append((migration, state.clone(), schema()))
        state = executor.apply_migration(state, migration)
    return found


def main():
    executor = MigrationExecutor(connection)
    executor.recorder.ensure_schema()
    found = forth(executor)
    whole, filled = schema(), rows()

    differences = {}

    def compare(title, is_now, was):
        lines = [f"+ {line}" for line in sorted(is_now - was)]
        lines += [f"- {line}" for line in sorted(was - is_now)]
        if lines:
            differences[title] = lines

    after = whole
    for migration, state, before in reversed(found):
        name = f"{migration.app_label}.{migration.name}"
        executor.unapply_migration(state.clone(), migration)
        compare(f"{name} back", schema(), before)
        if any(isinstance(step, OURS) for step in migration.operations):
            # Forth once more over what the way back has left, and back.
            executor.apply_migration(state.clone(), migration)
            compare(f"{name} forth again", schema(), after)
            executor.unapply_migration(state.clone(), migration)
        after = before
    state = found[0][1]
    for migration, _, _ in found:
        state = executor.apply_migration(state, migration)
    compare("all forth again", schema(), whole)
    compare("rows", {*map(str, rows().items())}, {*map(str, filled.items())})
    names = [f"{migration.app_label}.{migration.name}" for migration, _, _ in found]
    json.dump({"migrations": names, "differences": differences}, sys.stdout)


if __name__ == "__main__":
    django.setup()
    main()
