"""Who was let in, who was refused and why, and how long they waited."""

from collections import Counter
from enum import StrEnum

# Waits are counted up to these bounds, in seconds.
WAIT_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)


class Reason(StrEnum):
    PRIORITY = "priority"
    QUEUE_FULL = "queue_full"
    WAITED_TOO_LONG = "waited_too_long"
    DEADLINE = "deadline"


class Tally:
    """What happened since it was last read."""

    __slots__ = ("admitted", "shed", "wait_seconds", "waits", "would_shed")

    def __init__(self) -> None:
        self.admitted: Counter[int] = Counter()
        self.shed: Counter[tuple[int, Reason]] = Counter()
        self.would_shed: Counter[tuple[int, Reason]] = Counter()
        # How many waited so long at most, by index into WAIT_BOUNDS.
        self.waits: Counter[int] = Counter()
        self.wait_seconds = 0.0

    def note_wait(self, seconds: float) -> None:
        self.wait_seconds += seconds
        index = next((n for n, b in enumerate(WAIT_BOUNDS) if seconds <= b), -1)
        self.waits[index] += 1
