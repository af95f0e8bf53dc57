"""Statements that PostgreSQL plans once per connection instead of each time.

Django puts values into the text of a statement, so that the server reads and plans a new
one every time. For a long statement that touches few rows this is most of its cost. Here
the values travel beside the text, a connection keeps the plan, and a cursor is used again.
"""

from types import TracebackType
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import DatabaseWrapper, ServerBindingCursor
from django.db.backends.utils import CursorWrapper
from psycopg.adapt import Loader
from psycopg.pq import Format

# Where a psycopg connection keeps the cursors that nobody uses at the moment.
_IDLE = "_prepared_cursors"


class _JsonAsText(Loader):
    """Leaves the reading to Django's JSONField, as with Django's own cursors."""

    format = Format.BINARY

    def load(self, data: Any) -> str:
        # After the byte that names the version of the format.
        return bytes(data)[1:].decode()


class _Cursor(ServerBindingCursor):
    """Reads values in binary form, which costs half of what their texts cost."""

    # Whoever has the connection at the moment.
    database: DatabaseWrapper

    def execute(self, query: Any, params: Any = None, **_: Any) -> "_Cursor":
        self.database.validate_no_broken_transaction()
        with self.database.wrap_database_errors:
            super().execute(query, params, prepare=True, binary=True)  # type: ignore[misc]  # the stubs' gap
        return self


class _WatchedCursor(ServerBindingCursor):
    """Doesn't prepare: psycopg couldn't say afterwards what has been run."""

    def execute(self, query: Any, params: Any = None, **_: Any) -> "_WatchedCursor":
        super().execute(query, params, prepare=False, binary=True)  # type: ignore[misc]  # the stubs' gap
        return self


class prepared_cursor:  # noqa: N801 -- reads as the function that it could be
    """Lend a cursor for statements whose texts are always the same.

    The plan must suit all values, so it finds its rows by keys. The server must be able
    to tell each value's type: cast what stands alone, such as ``%(now)s::timestamptz``.
    """

    __slots__ = ("_cursor", "_idle")

    _cursor: Any
    _idle: list[Any] | None

    def __enter__(self) -> CursorWrapper:
        database: Any = connections[DEFAULT_DB_ALIAS]
        database.ensure_connection()
        if database.queries_logged or database.execute_wrappers:
            return self._watched(database)
        idle: list[Any] = vars(database.connection).setdefault(_IDLE, [])
        cursor = idle.pop() if idle else _cursor(_Cursor, database)
        cursor.database = database
        self._idle, self._cursor = idle, cursor
        # It has what callers use of Django's wrapper.
        return cast("CursorWrapper", cursor)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._idle is None:
            self._cursor.close()
        else:
            self._idle.append(self._cursor)

    def _watched(self, database: Any) -> CursorWrapper:
        """Go Django's way, for those who log statements or stand around them."""
        bare = _cursor(_WatchedCursor, database)
        logged = database.queries_logged
        wrap = database.make_debug_cursor if logged else database.make_cursor
        self._idle, self._cursor = None, wrap(bare)
        return cast("CursorWrapper", self._cursor)


def _cursor(kind: Any, database: Any) -> Any:
    cursor = kind(database.connection)
    cursor.adapters.register_loader("jsonb", _JsonAsText)
    return cursor
