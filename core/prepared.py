"""Statements that PostgreSQL plans once per connection instead of each time.

Django puts values into the text of a statement, so that the server reads and plans a new
one every time. For a long statement that touches few rows this is most of its cost. Here
the values travel beside the text: from the fifth time on, the connection has it prepared.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


@contextmanager
def prepared_cursor() -> Iterator[CursorWrapper]:
    """Open a cursor for a statement whose text is always the same.

    The server must be able to tell each value's type: cast what stands alone, such as
    ``SELECT %(now)s::timestamptz``.
    """
    connection.ensure_connection()
    bare = ServerBindingCursor(connection.connection)
    wrap = (
        connection.make_debug_cursor
        if connection.queries_logged
        else connection.make_cursor
    )
    with wrap(bare) as cursor:
        yield cursor
