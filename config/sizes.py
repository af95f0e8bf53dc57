"""How large a web process is, all from one number: how many requests it works on at once.

Whoever waits at the gate, or is just being refused, takes a thread as well; so there are
more threads than places. Python alone needs to know, before Django's settings are read.
"""

from dataclasses import dataclass

from config.env import env_choice, env_int

MODES = {"enforce", "log_only", "off"}


@dataclass(frozen=True, slots=True)
class WebSizes:
    """``at_once`` is ``WEB_THREADS``."""

    at_once: int
    is_shedding: bool = True

    @property
    def places(self) -> int:
        """How many may wait at the gate."""
        return 2 * self.at_once

    @property
    def aside(self) -> int:
        """How many may wait for somebody else's server without counting as at work."""
        return self.at_once // 2

    @property
    def urgent(self) -> int:
        """How many more may be at work if they are urgent."""
        return self.at_once // 2

    @property
    def threads(self) -> int:
        """At work, waiting, aside, urgent, and a few that are free to say no."""
        if not self.is_shedding:
            return self.at_once
        some = self.at_once + self.places + self.aside + self.urgent
        return some + max(2, self.at_once // 2)

    @property
    def connections(self) -> int:
        """What granian calls backpressure: clients connected, whether they ask or not.

        A browser keeps its connection open and idle. What comes beyond waits unseen in
        the kernel, so this is generous.
        """
        return 64 * self.at_once

    @property
    def database_connections(self) -> int:
        """One for each at work, urgent or aside, and some for the process's own chores."""
        return self.at_once + self.urgent + self.aside + 4


def web_sizes() -> WebSizes:
    mode = env_choice("LOAD_SHEDDING_MODE", "enforce", choices=MODES)
    return WebSizes(env_int("WEB_THREADS", 8, minimum=2), is_shedding=mode != "off")
