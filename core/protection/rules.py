"""Policies, weights and blocks in this process's memory, never older than a few seconds.

A thread reads them again every two seconds, so that no request waits for the database.
With the database out the last ones hold. Before the first reading there are none.
"""

import logging
import threading
import time
from collections.abc import Hashable, Iterable
from datetime import datetime
from ipaddress import ip_network

from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from core.models import AddressBlock, RateLimitPolicy, RouteWeight
from core.protection.addresses import Client
from core.protection.deadlines import deadline
from core.protection.keeper import keeper
from core.protection.policies import (
    ANY_ROLE,
    EVERY_PATH,
    PER_PRINCIPAL,
    Policy,
    Routes,
    Weight,
)

# A network too many is let in, rather than a process filled by an attack.
_MOST_BLOCKS = 100_000
FIRST_READING_SECONDS = 2.0
_logger = logging.getLogger(__name__)


class Blocks:
    """Networks that are shut out. A look-up costs one hash per length of prefix."""

    def __init__(self, blocks: Iterable[tuple[str, datetime | None]]) -> None:
        self._ends: dict[tuple[int, int], dict[int, float]] = {}
        for text, ends_at in blocks:
            network = ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            ends = self._ends.setdefault((network.version, shift), {})
            end = float("inf") if ends_at is None else ends_at.timestamp()
            prefix = int(network.network_address) >> shift
            ends[prefix] = max(end, ends.get(prefix, 0))

    def __len__(self) -> int:
        """Return how many look-ups one question takes."""
        return len(self._ends)

    def end_for(self, client: Client) -> float | None:
        """Return until when (Unix time) the client is shut out, if it is."""
        if not self._ends or client.address is None:
            return None
        number, version = int(client.address), client.address.version
        now = time.time()
        for (of_version, shift), ends in self._ends.items():
            if of_version == version:
                end = ends.get(number >> shift)
                if end is not None and end > now:
                    return end
        return None


class Rules:
    def __init__(
        self,
        policies: Iterable[Policy] = (),
        weights: Iterable[Weight] = (),
        blocks: Iterable[tuple[str, datetime | None]] = (),
    ) -> None:
        policies, weights, blocks = tuple(policies), tuple(weights), tuple(blocks)
        self.made_of = policies, weights, blocks
        general = [p for p in policies if p.path == EVERY_PATH]
        self._general = [p for p in general if not p.principal]
        self._of_one: dict[str, list[Policy]] = {}
        for policy in general:
            if policy.principal:
                self._of_one.setdefault(policy.principal, []).append(policy)
        self._of_role: dict[tuple[str, str], tuple[Policy, ...]] = {}
        self._of_route = Routes(
            (p.method, p.path, p) for p in policies if p.path != EVERY_PATH
        )
        self._weights = Routes((w.method, w.path, w.cost) for w in weights)
        self.blocks = Blocks(blocks)
        # What others worked out from these rules: it ends with them.
        self.memory: dict[Hashable, object] = {}

    def policies_for(
        self, *, role: str, method: str, path: str, principal: str = ""
    ) -> list[Policy]:
        """Return what applies; a caller's own limits stand in for those per caller."""
        general = self._of_role.get((role, method))
        if general is None:
            general = tuple(
                p
                for p in self._general
                if p.role in {ANY_ROLE, role} and p.method in {"", method}
            )
            # Methods are the client's words; only those of HTTP are worth keeping.
            if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}:
                self._of_role[role, method] = general
        if own := self._of_one.get(principal):
            general = (*own, *(p for p in general if p.per != PER_PRINCIPAL))
        return [
            *general,
            *self.policies_of_route(role=role, method=method, path=path),
        ]

    def policies_of_route(self, *, role: str, method: str, path: str) -> list[Policy]:
        found = self._of_route.find(method, path)
        return [p for p in found if p.role in {ANY_ROLE, role}]

    def has_own(self, principal: str) -> bool:
        """Tell whether some policy is for this one caller."""
        return principal in self._of_one

    def weight_of(self, method: str, path: str) -> int:
        return max(self._weights.find(method, path), default=1)


def load_rules() -> Rules:
    policies = [
        Policy(**row)
        for row in RateLimitPolicy.objects.order_by("window_seconds", "name").values(
            *("name", "role", "per", "method", "path", "quota", "window_seconds"),
            *("burst", "is_enforced", "is_strict", "principal"),
        )
    ]
    weights = [
        Weight(*row)
        for row in RouteWeight.objects.values_list("method", "path", "cost")
    ]
    blocks = AddressBlock.objects.in_force(now=timezone.now()).order_by("-id")
    return Rules(
        policies, weights, blocks.values_list("network", "ends_at")[:_MOST_BLOCKS]
    )


class Rulebook:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules = Rules()
        self._is_read = False

    def current(self) -> Rules:
        if not (keeper.wake() and self._is_read):
            with self._lock:
                if not (keeper.wake() and self._is_read):
                    # The request that is the first has no deadline yet, and others wait.
                    with deadline(FIRST_READING_SECONDS):
                        self.refresh()
        return self._rules

    def refresh(self) -> None:
        try:
            rules = load_rules()
        except (DatabaseError, InterfaceError):
            _logger.warning("Limits and blocks can't be read; the last ones hold.")
        else:
            # The same ones stay, and what was worked out from them with them.
            if rules.made_of != self._rules.made_of:
                self._rules = rules
        self._is_read = True


rulebook = Rulebook()
keeper.add(rulebook.refresh)
