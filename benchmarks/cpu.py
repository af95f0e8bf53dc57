"""What processes have taken of the machine, by the kernel's own account (Linux)."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Places of /proc/<pid>/stat after the name: user, system, and both of ended children.
PARENT, TIMES = 1, slice(11, 15)


def cpu_seconds(roots: Collection[int]) -> float:
    """Sum the user and system time of these processes and all that they started.

    A process that has ended counts for its parent; nothing is known without /proc.
    """
    stats = dict(_stats())
    children: defaultdict[int, list[int]] = defaultdict(list)
    for pid, fields in stats.items():
        children[int(fields[PARENT])].append(pid)
    pending, ticks = list(roots), 0
    while pending:
        pid = pending.pop()
        pending += children[pid]
        ticks += sum(map(int, stats.get(pid, [])[TIMES]))
    return ticks / TICKS_PER_SECOND


def _stats() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        yield int(folder.name), text.rpartition(")")[2].split()
