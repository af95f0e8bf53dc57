"""Whether the server is out, so that not every caller waits to find that out again."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# While it is out, one caller in so long may try.
REST_SECONDS = 1.0
# So long it may be out for new connections only.
DOUBT_SECONDS = 1.0


class Outage:
    """Begins when connecting fails, and is over with anything that the server answers.

    It is the process's own. What anybody in it hears counts: a server that has only no
    room for more connections isn't out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun_at = self._next_try_at = 0.0
        self.is_on = False
        # How many are connecting right now.
        self.attempts = 0

    @property
    def is_resting(self) -> bool:
        """Tell whether nobody may try yet; asks for nothing and takes nothing."""
        return self.is_on and time.monotonic() < self._next_try_at

    @property
    def has_just_begun(self) -> bool:
        return self.is_on and time.monotonic() < self._begun_at + DOUBT_SECONDS

    def may_try(self) -> bool:
        """Tell whether this caller may ask the server, which holds for him alone."""
        if not self.is_on:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._next_try_at:
                return False
            self._next_try_at = now + REST_SECONDS
            return True

    def go_on(self) -> None:
        """Begin, or begin another rest: the server has just not answered."""
        with self._lock:
            now = time.monotonic()
            if not self.is_on:
                self._begun_at = now
            self._next_try_at = now + REST_SECONDS
            self.is_on = True

    def end(self) -> None:
        self.is_on = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Count who is connecting; how it ends is his to say."""
        with self._lock:
            self.attempts += 1
        try:
            yield
        finally:
            with self._lock:
                self.attempts -= 1


outage = Outage()
