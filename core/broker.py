"""Tell the workers that there is work. What must not be lost is a row, never a message."""

from math import ceil
from threading import Event, Lock, Thread
from time import monotonic, sleep, time
from typing import Any

import structlog
from celery import current_app
from kombu.exceptions import KombuError, OperationalError

from core.protection.timed_task import DEADLINE_HEADER

logger = structlog.get_logger(__name__)

# After a failure this process stops trying for a while, so that a broker that hangs
# costs one request a moment and not every request. Beat's sweep brings the work anyway.
PAUSE_SECONDS = 5.0
# Nudges that come faster than this are one.
NUDGE_SECONDS = 0.05


# An unacknowledged message comes again after this, and the sweeps have done the rest.
WORTH_SECONDS = 3600.0
# Between a task's being asked to stop and its process's being killed.
KILL_SECONDS = 30


class _Pause:
    def __init__(self) -> None:
        self._until = 0.0

    def is_on(self) -> bool:
        return monotonic() < self._until

    def start(self) -> None:
        self._until = monotonic() + PAUSE_SECONDS

    def end(self) -> None:
        self._until = 0.0


pause = _Pause()


def enqueue(
    task: str,
    /,
    *,
    expires: float | None = None,
    seconds: float = WORTH_SECONDS,
    **arguments: Any,
) -> bool:
    """Hand a task to the broker by name; fails open and says whether it was taken.

    So many ``seconds`` from now, wherever it has got by then, it is not begun any more,
    and if it runs it is asked to stop; soon after, its statements are ended.
    """
    if pause.is_on():
        return False
    limits: dict[str, Any] = {}
    if seconds < WORTH_SECONDS:
        soft = max(1, ceil(seconds))
        limits = {"soft_time_limit": soft, "time_limit": soft + KILL_SECONDS}
    try:
        current_app.send_task(
            task,
            kwargs=arguments,
            expires=expires,
            retry=False,
            headers={DEADLINE_HEADER: time() + seconds},
            **limits,
        )
    except (OperationalError, KombuError, OSError) as error:
        pause.start()
        logger.warning("broker_unreachable", task=task, error=str(error))
        return False
    return True


class Nudge:
    """Asks for a task to run soon, on a thread of its own. May be lost without harm.

    Composing a message costs the better part of a millisecond. A request that commits
    needn't pay for it, and a burst of requests needs one message.
    """

    def __init__(self, task: str) -> None:
        self._task = task
        self._is_wanted = Event()
        self._starting = Lock()
        self._thread: Thread | None = None

    def __call__(self) -> None:
        self._is_wanted.set()
        with self._starting:
            # Not alive: this process was forked from the one that had it.
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._send, name=self._task, daemon=True)
                self._thread.start()

    def _send(self) -> None:
        while self._is_wanted.wait():
            self._is_wanted.clear()
            enqueue(self._task, expires=10)
            sleep(NUDGE_SECONDS)
