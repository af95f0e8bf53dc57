"""Valkey with very short patience, for questions that every request asks.

Fails at once while Valkey is out: after a failure a breaker gives it a rest of a second, and
then one caller at a time tries.
"""

import threading
from functools import cache, partial
from math import inf
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.exceptions import CircuitOpenError
from core.protection.circuit import Breaker
from core.protection.judging import BreakerPolicy
from core.protection.switches import own_control_of

PATIENCE_SECONDS = 0.05
REST_SECONDS = 1.0


class RestingError(redis.ConnectionError):
    """Valkey has failed a moment ago and isn't asked."""


@cache
def _pool(url: str, patience_seconds: float) -> Any:
    client = redis.Redis.from_url(
        url,
        socket_connect_timeout=patience_seconds,
        socket_timeout=patience_seconds,
        retry=Retry(NoBackoff(), 0),
    )
    return client.connection_pool


# A failure is enough, and one caller a second tries: each wait is short, many wait.
VALKEY_POLICY = BreakerPolicy(
    window_seconds=1,
    minimum_calls=1,
    failure_share=0,
    slow_seconds=inf,
    open_seconds=REST_SECONDS,
    open_seconds_cap=REST_SECONDS,
    trial_calls=1,
)


def is_lost(error: BaseException) -> bool | None:
    """Tell a Valkey that can't be asked from one that refuses what it is asked."""
    if isinstance(error, redis.TimeoutError | redis.ConnectionError | OSError):
        return True
    return False if isinstance(error, Exception) else None


def valkey_breaker(name: str) -> Breaker:
    """Make a breaker around Valkey, which the switch for all breakers leaves alone.

    Without it each request would wait for a lost Valkey. Processes can't tell each other.
    """
    return Breaker(
        name, VALKEY_POLICY, judge=is_lost, control=partial(own_control_of, name)
    )


class Line:
    """A connection per thread to ``REDIS_URL``: borrowing one costs more than asking."""

    def __init__(
        self,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        breaker: Breaker | None = None,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._local = threading.local()
        self.breaker = breaker or valkey_breaker("valkey.limits")

    @property
    def is_out(self) -> bool:
        return self.breaker.is_shut

    def call(self, *words: Any) -> Any:
        """Send one command and return its answer.

        :raises redis.RedisError: within 50 ms, and at once during a rest.
        """
        return self.call_all([words])[0]

    def call_all(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Send several at once and return their answers; the first error is raised."""
        try:
            with self.breaker.calling():
                answers = self._ask_twice(commands)
        except CircuitOpenError:
            raise RestingError("Valkey is given a rest.") from None
        except OSError as error:
            raise redis.ConnectionError(str(error)) from error
        for answer in answers:
            if isinstance(answer, redis.RedisError):
                raise answer
        return answers

    def _ask_twice(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        try:
            return self._ask(commands)
        except redis.ConnectionError:
            # The server may have closed an idle connection; a new one will tell.
            return self._ask(commands)

    def _ask(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        connection = self._connection()
        connection.send_packed_command(
            connection.pack_commands(commands), check_health=False
        )
        return [_answer(connection) for _ in commands]

    def _connection(self) -> Any:
        url = settings.REDIS_URL
        if getattr(self._local, "url", None) != url:
            pool = _pool(url, self._patience_seconds)
            self._local.connection = pool.connection_class(**pool.connection_kwargs)
            self._local.url = url
        return self._local.connection


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        # The line itself is well; the other answers are still to be read.
        return error


line = Line()
