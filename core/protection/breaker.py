"""The breakers of this process: one for each dependency and operation, by name.

    breaker = get_breaker("payments.authorize")
    with breaker.calling() as call:
        answer = send()
        call.answered(answer.status)

An error that leaves the block is a failure unless ``judge`` says otherwise. While the
circuit is open, entering the block raises ``CircuitOpenError``.
"""

import threading
from functools import partial

import redis
from django.conf import settings

from core.exceptions import CircuitOpenError
from core.protection import gauges
from core.protection.circuit import (
    AnyBreaker,
    AnyCall,
    Breaker,
    IllegalTransitionError,
    NullBreaker,
    State,
)
from core.protection.counters import counters
from core.protection.judging import (
    BreakerPolicy,
    Judge,
    is_failing_status,
    is_failure,
    is_mail_failure,
)
from core.protection.keeper import keeper
from core.protection.line import line
from core.protection.switches import control_of

__all__ = [
    "AnyBreaker",
    "AnyCall",
    "Breaker",
    "BreakerPolicy",
    "CircuitOpenError",
    "IllegalTransitionError",
    "Judge",
    "NullBreaker",
    "State",
    "all_breakers",
    "get_breaker",
    "is_failing_status",
    "is_failure",
    "is_mail_failure",
]


class SharedOpenings:
    """In Valkey a key for each open circuit, alive for as long as it stays open.

    Its remaining life is asked for, so clocks needn't agree. With Valkey out, processes
    find out by themselves.
    """

    def remaining(self, name: str) -> float:
        try:
            milliseconds: int = line.call("PTTL", _key(name))
        except redis.RedisError:
            return 0.0
        return max(0.0, milliseconds / 1000)

    def announce(self, name: str, seconds: float) -> None:
        try:
            line.call("SET", _key(name), 1, "PX", max(1, round(seconds * 1000)))
        except redis.RedisError:
            return

    def retract(self, name: str) -> None:
        try:
            line.call("DEL", _key(name))
        except redis.RedisError:
            return


def _key(name: str) -> str:
    return f"{settings.CACHES['default']['KEY_PREFIX']}:breaker:{name}"


class Breakers:
    def __init__(self, *own: Breaker) -> None:
        self._lock = threading.Lock()
        self._own = list(own)
        self._by_name: dict[str, Breaker] = {}

    def get(self, name: str, policy: BreakerPolicy | None, judge: Judge) -> Breaker:
        breaker = self._by_name.get(name)
        if breaker is None:
            with self._lock:
                breaker = self._by_name.setdefault(
                    name,
                    Breaker(
                        name,
                        policy,
                        judge=judge,
                        control=partial(control_of, name),
                        openings=SharedOpenings(),
                    ),
                )
        return breaker

    def all(self) -> list[Breaker]:
        with self._lock:
            found = [*self._own, *self._by_name.values()]
        return sorted(found, key=lambda breaker: breaker.name)

    def show(self, breaker: Breaker) -> None:
        """Let people see and steer a breaker that its user keeps."""
        with self._lock:
            self._own.append(breaker)

    def clear(self) -> None:
        with self._lock:
            self._by_name.clear()


def get_breaker(
    name: str, policy: BreakerPolicy | None = None, *, judge: Judge = is_failure
) -> Breaker:
    """Return this process's breaker of that name; policy and judge count at the first call.

    Ask by name for each call rather than keep the breaker.
    """
    return breakers.get(name, policy, judge)


def all_breakers() -> list[Breaker]:
    return breakers.all()


breakers = Breakers(line.breaker)


def hand_in() -> None:
    """Take every breaker where people want it, and count what it did."""
    for breaker in all_breakers():
        breaker.follow()
        for what, count in breaker.drain().items():
            family = "breaker_changes" if what.startswith("to_") else "breaker_calls"
            name = what.removeprefix("to_")
            counters.add_many({f"{family}|{breaker.name}|{name}": count})


def _states() -> dict[str, float]:
    return {f"{breaker.name}|{breaker.state}": 1 for breaker in all_breakers()}


keeper.add(hand_in)
gauges.register(
    gauges.Gauge(
        "breaker_processes",
        "How many processes have a breaker in a state.",
        _states,
        ("breaker", "state"),
    )
)
