"""When a dependency counts as out: what is a failure, and how many are too many."""

import smtplib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from core.errors import DomainError, ErrorKind

# From here on a mail server's answer means: not this message, however often.
_PERMANENT = 500
_CLOSING = 421
# 4xx say that our request was wrong, but for these: late, too early, too much.
_FAILING_4XX = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, for how long, and what it takes to close again."""

    window_seconds: float = 10.0
    minimum_calls: int = 10
    # 0: one failure is enough.
    failure_share: float = 0.5
    slow_share: float = 0.8
    slow_seconds: float = 5.0
    open_seconds: float = 5.0
    open_seconds_cap: float = 60.0
    trial_calls: int = 3


def is_failure(error: BaseException) -> bool | None:
    """Tell whether an error is the dependency's failure; None where it says nothing.

    A caller that went away, or had no time left, says nothing of the dependency.
    """
    if isinstance(error, DomainError):
        return None if error.kind is ErrorKind.DEADLINE_EXCEEDED else True
    return True if isinstance(error, Exception) else None


def is_mail_failure(error: BaseException) -> bool | None:
    """Tell a mail server that is out from one that refuses this message or this address."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return True
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # Of one mailbox, and 4xx is what greylisting says; 421 is the server itself.
        return any(code == _CLOSING for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code < _PERMANENT
    if isinstance(error, OSError):
        return True
    return False if isinstance(error, Exception) else None


def is_failing_status(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _FAILING_4XX


Judge = Callable[[BaseException], bool | None]


class Window:
    """How calls ended within the last seconds; remembering one costs the same for any number."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: deque[tuple[float, bool, bool]] = deque()
        self.failures = 0
        self.slow = 0

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        self._ends.append((now, failed, slow))
        self.failures += failed
        self.slow += slow
        while self._ends[0][0] <= now - self._seconds:
            _, old_failed, old_slow = self._ends.popleft()
            self.failures -= old_failed
            self.slow -= old_slow

    def clear(self) -> None:
        self._ends.clear()
        self.failures = self.slow = 0

    def is_bad(self, policy: BreakerPolicy) -> bool:
        calls = len(self)
        if calls < policy.minimum_calls:
            return False
        if self.failures >= max(1, policy.failure_share * calls):
            return True
        return self.slow >= max(1, policy.slow_share * calls)
