"""Tasks have an end in time as requests have, and their statements with them."""

import time
from typing import Any

from celery import Task

from core.protection import deadlines
from core.protection.counters import counters

# When its message stops being worth the work, in seconds since 1970: it passes from one
# machine to another, so the monotonic clock of neither will do.
DEADLINE_HEADER = "shopwright_deadline"
# Between the exception that asks a task to stop and the end of its statements.
GRACE_SECONDS = 10.0


class TimedTask(Task):  # type: ignore[type-arg]  # generic to type checkers only
    """Runs under the nearer of its soft time limit and its message's deadline.

    A message past its deadline is dropped, and counted. A task with a limit of its own
    may spend all of it on one statement.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        seconds = self._seconds_left()
        if seconds <= 0:
            counters.add(f"task|{self.name}")
            return None
        longest = max(self.soft_time_limit or 0, deadlines.LONG_STATEMENT_SECONDS)
        with deadlines.deadline(seconds + GRACE_SECONDS, statement_seconds=longest):
            return self.run(*args, **kwargs)

    def after_return(self, *args: Any, **kwargs: Any) -> None:
        super().after_return(*args, **kwargs)
        # A worker's process has no thread that would do it.
        counters.flush()

    def _seconds_left(self) -> float:
        soft = self.soft_time_limit or self.app.conf.task_soft_time_limit
        ends_at = getattr(self.request, DEADLINE_HEADER, None)
        left = float("inf") if ends_at is None else ends_at - time.time()
        return min(left, soft)
