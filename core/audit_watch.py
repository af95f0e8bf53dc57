"""Is the audit log whole? A task walks the chain on and on; what it found is shown.

Each run takes up where the last one stopped, for so many seconds, and holds one batch in
memory. What it needs for that is in Valkey, so the database alone can't mislead it.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import redis
import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core import audit_chain, audit_memory
from core.audit_chain import Flaw, Place
from core.audit_memory import Memory

BUDGET_SECONDS = 45.0
# Each run names so many and counts the others: a log that lost a table's worth of rows
# must not fill the application's.
MOST_NAMED = 20
_LOST = (redis.RedisError, OSError)
_log = structlog.get_logger(__name__)


def check(*, now: datetime, seconds: float = BUDGET_SECONDS) -> bool:
    """Walk on for so long; return whether the round ended, so that the next one begins.

    A whole round without a flaw takes back that the log was found broken.

    :raises redis.RedisError: when Valkey is out.
    """
    memory = audit_memory.recall()
    stop_at = time.monotonic() + seconds
    flaws = _lost_end(memory)
    ended, facts = _walk_on(memory, flaws, stop_at)
    _report(flaws)
    round_flaws = memory.round_flaws + len(flaws)
    facts |= {"checked_at": now.timestamp(), "round_flaws": round_flaws}
    if flaws and not memory.broken_since:
        facts["broken_since"] = now.timestamp()
    if ended:
        facts |= {**_ROUND, "whole_round_at": now.timestamp()}
        if not round_flaws:
            facts["broken_since"] = 0
    audit_memory.remember(**facts)
    return ended


def lost_end() -> list[Flaw]:
    """Say that the newest seal that Valkey knows of is in the chain no more."""
    try:
        return _lost_end(audit_memory.recall())
    except _LOST:
        return []


def forget() -> None:
    """Begin anew: the database was restored, and its chain goes on from an older seal.

    :raises redis.RedisError: when Valkey is out.
    """
    audit_memory.drop()
    _log.warning("audit_memory_dropped")


def _lost_end(memory: Memory) -> list[Flaw]:
    position, digest = memory.head_position, memory.head_digest
    return audit_chain.lost(position, digest) if position else []


# Where a round begins.
_ROUND: dict[str, Any] = {
    "walked_position": 0,
    "walked_digest": "",
    "walked_entry": "",
    "round_flaws": 0,
}


def _walk_on(
    memory: Memory, flaws: list[Flaw], stop_at: float
) -> tuple[bool, dict[str, Any]]:
    """Add what is wrong to ``flaws``; return whether all is walked, and up to where."""
    facts: dict[str, Any] = {}
    start = Place()
    if memory.walked_position:
        start = Place(memory.walked_position, bytes.fromhex(memory.walked_digest))
    for place, found in audit_chain.walk(start):
        flaws += found
        facts["walked_position"] = place.position
        facts["walked_digest"] = place.digest.hex()
        if time.monotonic() >= stop_at:
            return False, facts
    after = UUID(memory.walked_entry) if memory.walked_entry else None
    for entry_id, found in audit_chain.look_for_planted(after):
        flaws += found
        facts["walked_entry"] = str(entry_id)
        if time.monotonic() >= stop_at:
            return False, facts
    return True, facts


def _report(flaws: list[Flaw]) -> None:
    for flaw in flaws[:MOST_NAMED]:
        _log.error(
            "audit_flaw",
            position=flaw.position,
            entry_id=str(flaw.entry_id or ""),
            said=flaw.said,
        )
    if len(flaws) > MOST_NAMED:
        _log.error("audit_flaws_unnamed", count=len(flaws) - MOST_NAMED)


def status() -> dict[str, str | None]:
    """Say ``whole``, ``broken``, ``unchecked``, or ``unknown`` while Valkey is out."""
    try:
        memory = audit_memory.recall()
    except _LOST:
        return {"status": "unknown", "broken_since": None, "checked_at": None}
    said = "broken" if memory.broken_since else "whole"
    return {
        "status": said if memory.checked_at else "unchecked",
        "broken_since": _instant(memory.broken_since),
        "checked_at": _instant(memory.checked_at),
    }


def _instant(at: float) -> str | None:
    return datetime.fromtimestamp(int(at), UTC).isoformat() if at else None


class AuditCollector(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            memory = audit_memory.recall()
        except _LOST:
            # No figures are better than none of the others.
            return
        if not memory.checked_at:
            return
        for name, text, value in (
            (
                "broken_since",
                "Since when the audit log is found broken; 0 while it is whole.",
                memory.broken_since,
            ),
            (
                "checked",
                "When the audit log was last walked on.",
                memory.checked_at,
            ),
            (
                "whole_round",
                "When the audit log was last walked to its end.",
                memory.whole_round_at,
            ),
        ):
            yield GaugeMetricFamily(
                f"shopwright_audit_{name}_timestamp_seconds", text, value
            )

    def describe(self) -> Iterator[GaugeMetricFamily]:
        # Else registering would ask Valkey.
        return iter(())
