"""How important a request has to be to wait for its turn, by how full the house is."""

import math


class Threshold:
    """Requests of this rank and above may not queue. It falls with the cube of the load.

    The load is smoothed and the threshold moves at limited speeds: a jump would shed whole
    classes at once, empty the house, open the door wide, and swing for ever. Only where
    many find the queue full it falls faster, by a little for each of them.
    """

    SMOOTHING_SECONDS = 2.0
    # What pays is refused by a full queue only, never because of what may come.
    LOWEST = 20.0
    FALL_PER_SECOND = 5.0
    RISE_PER_SECOND = 2.0
    FALL_PER_REFUSAL = 0.05
    # When nobody has waited for a while there is nothing to be careful about.
    QUIET_LOAD, QUIET_RISE_PER_SECOND = 0.45, 5.0

    def __init__(self) -> None:
        self.value = 100.0
        self.load = 0.0
        self._at: float | None = None

    def update(self, load: float, now: float) -> None:
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        share = -math.expm1(-elapsed / self.SMOOTHING_SECONDS)
        self.load += (min(1.0, max(0.0, load)) - self.load) * share
        wanted = max(self.LOWEST, 100 * (1 - self.load**3))
        is_quiet = self.load < self.QUIET_LOAD
        rise = self.QUIET_RISE_PER_SECOND if is_quiet else self.RISE_PER_SECOND
        lowest = self.value - self.FALL_PER_SECOND * elapsed
        highest = self.value + rise * elapsed
        self.value = min(highest, max(lowest, wanted))

    def found_full(self, rank: float) -> None:
        """Learn that one of the rank found the queue full; fall towards it a little.

        Too many of his like are let into the queue. Of those below him it says nothing.
        """
        lowest = max(self.LOWEST, rank, self.value - self.FALL_PER_REFUSAL)
        self.value = min(self.value, lowest)
