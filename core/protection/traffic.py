"""What the protections are doing, over all processes, as the Traffic page draws it."""

import time
from collections import defaultdict
from typing import Any

from core.models import BreakerControl, Switch
from core.protection import gauges
from core.protection.counters import SLOT_SECONDS, Slot, history
from core.protection.line import line
from core.protection.switches import SETTINGS, mode_from_environment

# So far back the page looks.
SLOTS = 120
# Processes hand in their counts every two seconds.
SETTLING_SECONDS = 3


def newest_slot(now: float) -> Slot:
    """Return the last slot that all processes have handed in."""
    return int(now - SETTLING_SECONDS) // SLOT_SECONDS - 1


def figures(*, after: Slot, now: float | None = None) -> dict[str, Any]:
    """Return all counts of the slots behind ``after``, by family, and today's state."""
    newest = newest_slot(time.time() if now is None else now)
    after = max(after, newest - SLOTS)
    counted = history(after=after, until=newest)
    processes = gauges.of_processes()
    return {
        "slot_seconds": SLOT_SECONDS,
        "slots": [
            {"slot": slot, "counts": _by_family(counts)}
            for slot, counts in counted.items()
        ],
        "gauges": gauges.combined(processes),
        "processes": len(processes),
        "valkey_out": line.is_out,
    }


def _by_family(counts: dict[str, int]) -> dict[str, dict[str, int]]:
    families: dict[str, dict[str, int]] = defaultdict(dict)
    for name, count in counts.items():
        family, _, labels = name.partition("|")
        families[family][labels] = count
    return families


def switches() -> list[dict[str, Any]]:
    """Return each protection with its mode, and whether people have set it."""
    by_hand = dict(Switch.objects.values_list("name", "mode"))
    rows = []
    for name, setting in SETTINGS.items():
        mode = by_hand.get(name) or mode_from_environment(name)
        rows.append(
            {
                "name": name,
                "label": Switch.Name(name).label,
                "mode": mode,
                "meaning": Switch.Mode(mode).label,
                "is_by_hand": name in by_hand,
                "setting": setting,
            }
        )
    return rows


def breakers() -> list[dict[str, Any]]:
    """Return each breaker that a process has or that people have set."""
    states: dict[str, dict[str, float]] = defaultdict(dict)
    for labels, count in gauges.combined().get("breaker_processes", {}).items():
        name, _, state = labels.partition("|")
        states[name][state] = count
    controls = {control.name: control for control in BreakerControl.objects.all()}
    automatic = BreakerControl()
    return [
        {
            "name": name,
            "states": states.get(name, {}),
            "control": controls.get(name, automatic),
        }
        for name in sorted({*states, *controls})
    ]
