"""Tell the workers that there is work. What must not be lost is a row, never a message."""

from time import monotonic
from typing import Any

import structlog
from celery import current_app
from kombu.exceptions import KombuError, OperationalError

logger = structlog.get_logger(__name__)

# After a failure this process stops trying for a while, so that a broker that hangs
# costs one request a moment and not every request. Beat's sweep brings the work anyway.
PAUSE_SECONDS = 5.0


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


def enqueue(task: str, /, *, expires: float | None = None, **arguments: Any) -> bool:
    """Hand a task to the broker by name; fails open and says whether it was taken."""
    if pause.is_on():
        return False
    try:
        current_app.send_task(task, kwargs=arguments, expires=expires, retry=False)
    except (OperationalError, KombuError, OSError) as error:
        pause.start()
        logger.warning("broker_unreachable", task=task, error=str(error))
        return False
    return True
