"""One thread a process that does its small chores: read rules anew, hand in counts.

So no request waits for them. It starts with the first one that asks for it, and again in
a process that was forked. Chores are told apart, so that one that fails stops no other.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from django.apps import apps
from django.conf import settings
from django.db import connection

from core.protection.deadlines import deadline

# A database that has fallen silent must not keep the thread for ever.
CHORE_SECONDS = 5.0
Chore = Callable[[], None]
_logger = logging.getLogger(__name__)


class Keeper:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chores: list[Chore] = []
        self._thread: threading.Thread | None = None
        # A process that is forked has the object, but not the thread.
        os.register_at_fork(after_in_child=self._forget_thread)

    def add(self, chore: Chore) -> None:
        self._chores.append(chore)

    def wake(self) -> bool:
        """See to it that the thread runs; False where there is to be none (yet)."""
        if self._thread is not None:
            return True
        # Its chores read tables; a process that still loads its apps has none.
        if not (apps.ready and settings.PROTECTION_REFRESH_SECONDS):
            return False
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._keep, name="protection-keeper", daemon=True
                )
                self._thread.start()
        return True

    def make_round(self) -> None:
        for chore in tuple(self._chores):
            try:
                with deadline(CHORE_SECONDS):
                    chore()
            except Exception:
                # Whatever it was, the next round may do better; a dead thread can't.
                _logger.exception("A chore of the keeper failed.")

    def _keep(self) -> None:
        try:
            while True:
                self.make_round()
                # Back to the pool, and not broken in a thread that lives for ever.
                connection.close()
                time.sleep(settings.PROTECTION_REFRESH_SECONDS)
        finally:
            self._forget_thread()

    def _forget_thread(self) -> None:
        self._thread = None


keeper = Keeper()
