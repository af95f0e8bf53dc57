import logging
from collections import Counter
from datetime import datetime

from core.invariants import record_check
from orders import selectors

_logger = logging.getLogger(__name__)


def check_ledger(*, now: datetime) -> None:
    """Count the rows that break each invariant, for /metrics, and log them if any do.

    Orders change while they are read, so only what is broken twice counts.
    """
    found = selectors.ledger_violations(now=now)
    if found:
        again = set(selectors.ledger_violations(now=now))
        found = [violation for violation in found if violation in again]
    counts = Counter(violation.invariant for violation in found)
    record_check(
        {name: counts[name] for name in selectors.INVARIANTS} | counts, now=now
    )
    if found:
        _logger.error(
            "%s rows break the ledger (%s); the first is %s: %s",
            len(found),
            ", ".join(f"{name}: {count}" for name, count in counts.items()),
            found[0].subject,
            found[0].detail,
        )
