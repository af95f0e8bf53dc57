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
