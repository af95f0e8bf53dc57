from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.db.utils import DataError
from django.test.utils import CaptureQueriesContext

from core.prepared import prepared_cursor

pytestmark = pytest.mark.django_db
STATEMENT = "SELECT %(number)s::int + 1, %(at)s::timestamptz"
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def run(number: int) -> object:
    with prepared_cursor() as cursor:
        cursor.execute(STATEMENT, {"number": number, "at": AT})
        return cursor.fetchone()


def prepared_statements() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]


def test_a_statement_that_is_repeated_is_prepared_once():
    assert [run(number) for number in range(10)] == [(n + 1, AT) for n in range(10)]

    assert prepared_statements().count("SELECT $1::int + 1, $2::timestamptz") == 1


def test_a_statement_that_is_logged_is_there_to_read():
    with CaptureQueriesContext(connection) as captured:
        for number in range(10):
            run(number)

    assert {query["sql"] for query in captured} == {
        "SELECT $1::int + 1, $2::timestamptz"
    }


def test_a_failure_is_djangos_and_leaves_the_connection_usable():
    for number in range(10):
        run(number)

    with pytest.raises(DataError), transaction.atomic():
        run(2**31 - 1)

    assert run(1) == (2, AT)


def test_cursors_may_be_nested_and_are_used_again():
    with prepared_cursor() as outer, prepared_cursor() as inner:
        outer.execute(STATEMENT, {"number": 1, "at": AT})
        inner.execute(STATEMENT, {"number": 2, "at": AT})
        rows = outer.fetchone(), inner.fetchone()
        lent = {outer, inner}

    assert rows == ((2, AT), (3, AT))
    with prepared_cursor() as one, prepared_cursor() as other:
        assert {one, other} == lent


def test_a_cursor_is_lent_again_after_a_failure():
    with pytest.raises(DataError), transaction.atomic():
        run(2**31 - 1)
    with prepared_cursor() as one:
        pass

    assert run(1) == (2, AT)
    with prepared_cursor() as other:
        assert one is other


def test_whoever_stands_around_statements_is_told_of_these_too():
    told = []

    def note(execute, sql, params, many, context):
        told.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        assert run(1) == (2, AT)

    assert told == [STATEMENT]


@pytest.mark.parametrize("is_watched", [False, True])
def test_values_are_read_as_djangos_cursors_read_them(is_watched):
    statement = """
    SELECT 'é'::text, 'é'::varchar, 7::smallint, 7::int, 7::bigint, 1.50::numeric, true,
        '0191e7a8-9e0a-7c43-9d56-0f1e4a6f7b1c'::uuid, NULL::uuid, '\\x00ff'::bytea,
        '{"a": [1, null]}'::jsonb, '{"a": 1}'::json, '{a,b}'::text[],
        '2026-11-20 09:30:00.000001+02'::timestamptz, '2026-11-20'::date, 1.5::float8
    """
    with connection.cursor() as cursor:
        cursor.execute(statement)
        expected = cursor.fetchone()

    watching = CaptureQueriesContext(connection) if is_watched else nullcontext()
    with watching, prepared_cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchone()

    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]
