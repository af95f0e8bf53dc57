"""What is switched on: by people while the shop runs, else by the environment.

Read from this process's memory, which follows the tables within seconds. With the
database out the last positions hold; before the first reading the environment's do.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from core.protection.circuit import Control, State
from core.protection.keeper import keeper

Mode = Literal["enforce", "log_only", "off"]
Protection = Literal["rate_limit", "load_shedding", "breakers", "deadlines"]

SETTINGS: dict[Protection, str] = {
    "rate_limit": "RATE_LIMIT_MODE",
    "load_shedding": "LOAD_SHEDDING_MODE",
    "breakers": "BREAKER_MODE",
    "deadlines": "DEADLINE_MODE",
}
_AUTOMATIC = Control()
_BY_MODE: dict[Mode, State | None] = {
    "enforce": None,
    "log_only": State.METRICS_ONLY,
    "off": State.DISABLED,
}
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Positions:
    modes: Mapping[str, Mode] = field(default_factory=dict)
    controls: Mapping[str, Control] = field(default_factory=dict)


class Switchboard:
    def __init__(self) -> None:
        self.positions = Positions()

    def refresh(self) -> None:
        try:
            self.positions = _load()
        except (DatabaseError, InterfaceError):
            _logger.warning("Switches can't be read; their last positions hold.")

    def reset(self) -> None:
        self.positions = Positions()


def mode_of(protection: Protection) -> Mode:
    # Every request asks some times, so after the first reading this is a look-up.
    mode = switchboard.positions.modes.get(protection)
    return mode or mode_from_environment(protection)


def mode_from_environment(protection: Protection) -> Mode:
    return cast("Mode", getattr(settings, SETTINGS[protection]))


def control_of(breaker: str) -> Control:
    """Return what people want of a breaker; the switch for all goes before its own."""
    keeper.wake()
    own = own_control_of(breaker)
    state = _BY_MODE[mode_of("breakers")]
    if state is None:
        return own
    return Control(state, own.closings)


def own_control_of(breaker: str) -> Control:
    # Wakes no keeper: asked at import, where a thread would be lost by a fork, and leave
    # its children a database pool that is not theirs.
    return switchboard.positions.controls.get(breaker, _AUTOMATIC)


def _load() -> Positions:
    # By name: the database's backend counts what it does, so this is imported before models.
    switches = apps.get_model("core", "Switch").objects
    controls = apps.get_model("core", "BreakerControl").objects
    rows = controls.values_list("name", "state", "closings")
    modes: dict[str, Any] = {name: mode_from_environment(name) for name in SETTINGS}
    modes |= {name: mode for name, mode in switches.values_list("name", "mode") if mode}
    return Positions(
        modes,
        {name: Control(_state(state), closings) for name, state, closings in rows},
    )


def _state(wanted: str) -> State | None:
    return None if wanted == "automatic" else State(wanted)


switchboard = Switchboard()
keeper.add(switchboard.refresh)
