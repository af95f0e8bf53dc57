"""The device that somebody acts from, as far as a request tells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """What is written down beside an act of its owner."""

    name: str = ""
    # Of the network; never trusted to prove anything.
    address: str = ""
    user_agent: str = ""
    # What the client sends back to be known again.
    id: str | None = None
