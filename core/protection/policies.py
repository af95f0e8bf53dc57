"""What may be asked how often: policies, what routes weigh, and which of them apply."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Generic, TypeVar

from core.protection.token_bucket import ROUNDING, Level

Entry = TypeVar("Entry")

ANY_ROLE = "any"
EVERY_PATH = "*"
PER_PRINCIPAL, PER_ADDRESS = "principal", "ip"
PER_ACCOUNT, PER_PAIR = "account", "pair"
# From so much of the quota on a client is near its limit.
NEAR_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Policy:
    """``quota`` requests per ``window_seconds``, at most ``burst`` of them at once."""

    name: str
    quota: int
    window_seconds: int
    burst: int | None = None
    role: str = ANY_ROLE
    per: str = PER_PRINCIPAL
    method: str = ""
    path: str = EVERY_PATH
    is_enforced: bool = True
    is_strict: bool = False
    # The one caller that it is for; empty for all of the role.
    principal: str = ""
    capacity: int = field(init=False)
    rate: float = field(init=False)
    # As the header RateLimit-Policy has it.
    text: str = field(init=False)
    # What RateLimit says of it begins so.
    quota_head: str = field(init=False)
    # A caller with fewer tokens is near the limit.
    near_below: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "capacity", self.burst or self.quota)
        object.__setattr__(self, "rate", self.quota / self.window_seconds)
        text = f'"{self.name}";q={self.quota};w={self.window_seconds}'
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "quota_head", f'"{self.name}";r=')
        # Of whole tokens, as clients are told them.
        most = int(self.capacity * (1 - NEAR_SHARE) + ROUNDING)
        object.__setattr__(self, "near_below", most + 1 - ROUNDING)

    @property
    def is_general(self) -> bool:
        """Tell whether it counts what requests weigh, rather than calls of its route."""
        return self.path == EVERY_PATH

    def cost(self, weight: int) -> int:
        # One request must never need more than a full bucket.
        return min(weight, self.capacity) if self.is_general else 1

    def quota_text(self, level: Level) -> str:
        """Say what is left, as the header RateLimit has it.

        ``t`` is the time until the request would pass, or until there is one token more.
        """
        tokens, seconds = level
        if not seconds and tokens < self.capacity:
            seconds = (1 - tokens % 1) / self.rate
        return f"{self.quota_head}{int(tokens + ROUNDING)};t={ceil(seconds - 1e-6)}"


@dataclass(frozen=True, slots=True)
class Weight:
    """What a route takes out of the general policies; others take 1."""

    method: str
    path: str
    cost: int


class Routes(Generic[Entry]):
    """Finds entries by method and path: ``/carts/{id}/items``, ``/imports*``, or ``*``."""

    def __init__(self, entries: Iterable[tuple[str, str, Entry]]) -> None:
        self._exact: dict[str, list[tuple[str, Entry]]] = {}
        self._patterns: list[tuple[re.Pattern[str], str, Entry]] = []
        for method, path, entry in entries:
            if "{" in path or path.endswith("*"):
                self._patterns.append((compile_path(path), method, entry))
            else:
                self._exact.setdefault(path, []).append((method, entry))

    def find(self, method: str, path: str) -> list[Entry]:
        found = [e for m, e in self._exact.get(path, ()) if m in {"", method}]
        found += [
            entry
            for pattern, wanted, entry in self._patterns
            if wanted in {"", method} and pattern.fullmatch(path)
        ]
        return found


def compile_path(path: str) -> re.Pattern[str]:
    is_open = path.endswith("*")
    parts = re.split(r"\{[^{}/]*\}", path.removesuffix("*"))
    text = "[^/]+".join(map(re.escape, parts))
    return re.compile(text + (".*" if is_open else ""), re.DOTALL)
