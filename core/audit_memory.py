"""What Valkey remembers of the audit log, where who holds the database only can't reach.

The ids of entries that committed and aren't sealed yet, the newest seal, and how far the
periodic walk came. Fails open: without Valkey the log is sealed and walked all the same,
and what this process has to say waits in it.
"""

import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry

# A write that was audited waits this long at most for a Valkey that hangs.
_PATIENCE_SECONDS = 0.25
# While nobody seals, the memory doesn't grow without end.
_MOST_WITNESSED = 100_000
_pending: deque[str] = deque(maxlen=10_000)


@dataclass(frozen=True, slots=True)
class Memory:
    """All numbers, times as unix times; 0 and "" stand for what isn't known."""

    head_position: int = 0
    head_digest: str = ""
    # When the sealing job last left nothing unsealed.
    drained_at: float = 0
    # How far the walk of this round came: along the chain, and along the log.
    walked_position: int = 0
    walked_digest: str = ""
    walked_entry: str = ""
    round_flaws: int = 0
    # When a run of the check ended, when a whole round did, and since when it finds flaws.
    checked_at: float = 0
    whole_round_at: float = 0
    broken_since: float = 0


def testify(*entry_ids: UUID) -> None:
    """Say that these entries have committed. Never raises for a Valkey that is out."""
    _pending.extend(str(entry_id) for entry_id in entry_ids)
    hand_in()


def hand_in() -> None:
    """Tell Valkey what this process still has to say; what fails waits for the next time."""
    said: dict[str, float] = {}
    # Another thread may take the last one first.
    with suppress(IndexError):
        while True:
            said[_pending.popleft()] = time.time()
    if not said:
        return
    pipeline = _client().pipeline(transaction=False)
    pipeline.zadd(_witnessed(), said)
    pipeline.zremrangebyrank(_witnessed(), 0, -_MOST_WITNESSED - 1)
    try:
        pipeline.execute()
    except (redis.RedisError, OSError):
        _pending.extendleft(said)


def testimonies(limit: int) -> list[UUID]:
    """Return the oldest ids that were told and not discharged.

    :raises redis.RedisError: when Valkey is out.
    """
    hand_in()
    told = _client().zrange(_witnessed(), 0, limit - 1)
    return [UUID(entry_id.decode()) for entry_id in told]


def discharge(entry_ids: Iterable[UUID]) -> None:
    """Forget the entries that have seals by now.

    :raises redis.RedisError: when Valkey is out.
    """
    names = [str(entry_id) for entry_id in entry_ids]
    if names:
        _client().zrem(_witnessed(), *names)


def recall() -> Memory:
    """Return what is remembered.

    :raises redis.RedisError: when Valkey is out.
    """
    stored = {
        name.decode(): value.decode()
        for name, value in _client().hgetall(_hash()).items()
    }
    kinds = {field.name: type(field.default) for field in fields(Memory)}
    return Memory(
        **{name: _read(kinds[name], stored[name]) for name in kinds if name in stored}
    )


def remember(**facts: float | str) -> None:
    """Replace these fields of the memory.

    :raises redis.RedisError: when Valkey is out.
    """
    _client().hset(_hash(), mapping=dict(facts))


def drop() -> None:
    """Forget all: the database was restored, and goes on from an older state.

    :raises redis.RedisError: when Valkey is out.
    """
    _pending.clear()
    _client().delete(_hash(), _witnessed())


def _read(kind: type[Any], text: str) -> Any:
    return text if kind is str else float(text) if kind is float else int(float(text))


def _client() -> Any:
    return _client_of(settings.REDIS_URL)


@cache
def _client_of(url: str) -> Any:
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_PATIENCE_SECONDS,
        socket_timeout=_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _hash() -> str:
    # A copy of the database that is looked at beside it has a memory of its own.
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    return f"{prefix}:audit:{connection.settings_dict['NAME']}"


def _witnessed() -> str:
    return f"{_hash()}:unsealed"
