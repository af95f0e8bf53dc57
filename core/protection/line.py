"""Valkey with very short patience, for questions that every request asks.

Fails at once while Valkey is out: after a failure nobody asks until a rest has passed, and
then one caller at a time tries.
"""

import threading
import time
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

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


class Line:
    """A connection per thread to ``REDIS_URL``: borrowing one costs more than asking."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._local = threading.local()
        self._lock = threading.Lock()
        # While resting: when the next caller may try. 0: all is well.
        self._next_try = 0.0

    @property
    def is_out(self) -> bool:
        return self._next_try > 0

    def call(self, *words: Any) -> Any:
        """Send one command and return its answer.

        :raises redis.RedisError: within 50 ms, and at once during a rest.
        """
        return self.call_all([words])[0]

    def call_all(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Send several at once and return their answers; the first error is raised."""
        if self._next_try and not self._may_try():
            raise RestingError("Valkey is given a rest.")
        try:
            try:
                answers = self._ask(commands)
            except redis.ConnectionError:
                # The server may have closed an idle connection; a new one will tell.
                answers = self._ask(commands)
        except (redis.TimeoutError, redis.ConnectionError, OSError) as error:
            self._next_try = time.monotonic() + REST_SECONDS
            if isinstance(error, redis.RedisError):
                raise
            raise redis.ConnectionError(str(error)) from error
        self._next_try = 0.0
        for answer in answers:
            if isinstance(answer, redis.RedisError):
                raise answer
        return answers

    def _may_try(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                return False
            # The others go on resting while this one tries.
            self._next_try = now + REST_SECONDS
            return True

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
