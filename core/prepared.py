"""Statements that PostgreSQL plans once per connection instead of each time.

Django puts values into the text of a statement, so that the server reads and plans a new
one every time. For a long statement that touches few rows this is most of its cost. Here
the values travel beside the text, and a connection that has run it often keeps its plan.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


class _LoggedCursor(ServerBindingCursor):
    """Doesn't prepare: psycopg couldn't say afterwards what has been run."""

    def execute(self, query: Any, params: Any = None, **_: Any) -> "_LoggedCursor":
        super().execute(query, params, prepare=False)  # type: ignore[misc]  # the stubs' gap
        return self


@contextmanager
def prepared_cursor() -> Iterator[CursorWrapper]:
    """Open a cursor for a statement whose text is always the same.

    Its plan must suit all values, so it finds its rows by keys. The server must be able
    to tell each value's type: cast what stands alone, such as ``%(now)s::timestamptz``.
    """
    connection.ensure_connection()
    # The stubs of Django don't know that its cursors are psycopg's.
    kind: Any = _LoggedCursor if connection.queries_logged else ServerBindingCursor
    bare = kind(connection.connection)
    if connection.queries_logged:
        with connection.make_debug_cursor(bare) as cursor:
            yield cursor
    else:
        with connection.make_cursor(bare) as cursor:
            yield cursor
