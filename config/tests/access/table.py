"""The checked-in table of who gets what where, and how to write it anew.

After a new route:  WRITE_ACCESS_TABLE=1 python -m pytest config/tests/test_object_access.py -n 0
Then read the new lines: each status is a decision.
"""

from pathlib import Path

from config.tests.access.world import CALLERS

FILE = Path(__file__).with_name("table.txt")
HEAD = """\
# What each caller is answered on each route, with real objects of "owner" in its path.
#
# anonymous    nobody                    stranger  another customer
# owner        the customer whose it is  support … admin  staff, with that role
# key          an API key with just the scope that the route names
# key_without  one with every other scope that there is
#
# The bodies are the examples of the API reference, so that 2xx is a real effect, and 404,
# 409 and 422 come from behind the door. A route without a line fails the suite.
"""


def read_table() -> dict[str, dict[str, int]]:
    table = {}
    for line in FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            method, path, *statuses = line.split()
            if method != "route":
                numbers = map(int, statuses)
                table[f"{method} {path}"] = dict(zip(CALLERS, numbers, strict=True))
    return table


def write_table(table: dict[str, dict[str, int]]) -> None:
    width = max(map(len, table)) + 2
    lines = [HEAD + "route".ljust(width) + " ".join(CALLERS)]
    for route, statuses in sorted(table.items(), key=_by_path):
        cells = (str(statuses[c]).ljust(len(c)) for c in CALLERS)
        lines.append((route.ljust(width) + " ".join(cells)).rstrip())
    FILE.write_text("\n".join(lines) + "\n")


def _by_path(entry: tuple[str, dict[str, int]]) -> tuple[str, str]:
    method, _, path = entry[0].partition(" ")
    return path, method
