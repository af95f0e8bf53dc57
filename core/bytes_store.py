"""Where finished answers are kept: in this process, and in Valkey for all of them.

Valkey is asked with short waits, once, and a breaker rests it after each failure. Fails
open: with it out of reach there is no generation, so nothing is found and nothing kept.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any

import orjson
import redis
from django.conf import settings
from django.http.response import HttpResponseBase
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.exceptions import CircuitOpenError
from core.protection.breaker import breakers
from core.protection.line import valkey_breaker

# Bounds what a lost generation can do: one that could not be raised while Valkey was
# away, or that Valkey forgot in a crash.
_LIFE_SECONDS = 60
# The shared copies sit in so many slots and no more, whatever clients ask for.
_SLOTS = 2048
_MAX_SHARED_BYTES = 131_072
# A reader waits this long for another's build before it makes its own.
_WAIT_SECONDS = 5.0
_CONNECT_SECONDS = 0.25
_ANSWER_SECONDS = 0.5
# Valkey doesn't answer, or isn't asked because it didn't a moment ago.
_LOST = (redis.RedisError, CircuitOpenError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer, ready to be sent."""

    content: bytes
    headers: dict[str, str]
    made_at: float = field(default_factory=time.monotonic)

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self.made_at

    def pack(self, generation: int, key: str) -> bytes:
        made_at = time.time() - self.age_seconds
        head = orjson.dumps([generation, key, self.headers, made_at])
        return head + b"\n" + self.content


def unpack(packed: bytes, generation: int, key: str) -> Entry | None:
    """Read a slot; None when another address or generation is in it."""
    head, _, content = packed.partition(b"\n")
    found_generation, found_key, headers, made_at = orjson.loads(head)
    if (found_generation, found_key) != (generation, key):
        return None
    # Machines' clocks differ a little, and none has made it in the future.
    age = max(0.0, time.time() - made_at)
    return Entry(content, headers, time.monotonic() - age)


@cache
def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class _Line(threading.local):
    """A connection per thread, for the one look-up that every hit makes.

    Taking a connection from the pool and giving it back costs more than asking.
    """

    def __init__(self) -> None:
        self._url = ""
        self._connection: Any = None

    def get(self, url: str, name: str) -> bytes | None:
        if self._url != url:
            pool = _client(url).connection_pool
            self._connection = pool.connection_class(**pool.connection_kwargs)
            self._url = url
        command = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name.encode())
        try:
            return self._ask(command)
        except redis.ConnectionError:
            # The server may have closed an idle connection; a new one will tell.
            return self._ask(command)

    def _ask(self, command: bytes) -> bytes | None:
        self._connection.send_packed_command([command], check_health=False)
        text: bytes | None = self._connection.read_response()
        return text


def raise_generation(namespace: str) -> None:
    """Forget every answer of the namespace now. With Valkey out, as soon as it is back."""
    memory.clear(namespace)
    try:
        # The clock, not a counter: a number that Valkey lost is never given out again.
        with breaker.calling():
            _client(settings.REDIS_URL).set(_generation_name(namespace), time.time_ns())
    except _LOST:
        overdue.add(namespace)


def _generation_name(namespace: str) -> str:
    return f"{settings.CACHES['default']['KEY_PREFIX']}:generation:{namespace}"


def _slot_name(namespace: str, key: str) -> str:
    slot = int.from_bytes(blake2b(key.encode(), digest_size=4).digest()) % _SLOTS
    return f"{settings.CACHES['default']['KEY_PREFIX']}:answers:{namespace}:{slot}"


def current_generation(namespace: str) -> int | None:
    """Return the namespace's generation, or None when nobody can say."""
    while overdue:
        late = overdue.pop()
        raise_generation(late)
        if late in overdue:
            return None
    name = _generation_name(namespace)
    try:
        with breaker.calling():
            text: Any = _line.get(settings.REDIS_URL, name)
            if text is None:
                client = _client(settings.REDIS_URL)
                client.set(name, time.time_ns(), nx=True)
                text = client.get(name)
    except _LOST:
        return None
    return None if text is None else int(text)


def fetch(namespace: str, generation: int, key: str) -> Entry | None:
    try:
        with breaker.calling():
            packed: Any = _client(settings.REDIS_URL).get(_slot_name(namespace, key))
    except _LOST:
        return None
    return None if packed is None else unpack(packed, generation, key)


def share(namespace: str, generation: int, key: str, entry: Entry) -> None:
    if len(entry.content) > _MAX_SHARED_BYTES or breaker.is_shut:
        return
    packed = entry.pack(generation, key)
    with suppress(*_LOST), breaker.calling():
        _client(settings.REDIS_URL).set(
            _slot_name(namespace, key), packed, ex=_LIFE_SECONDS
        )


class Memory:
    """The newest generation's entries per namespace, least recently used out first.

    What a newer generation or time has outdated stays as well while there is room: it is
    the last that is known of its address.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generations: dict[str, int] = {}
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._outdated: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self.size = 0

    def get(self, namespace: str, generation: int, key: str) -> Entry | None:
        with self._lock:
            if self._generations.get(namespace) != generation:
                return None
            entry = self._entries.get((namespace, key))
            if entry is None or time.monotonic() - entry.made_at > _LIFE_SECONDS:
                return None
            self._entries.move_to_end((namespace, key))
            return entry

    def last(self, namespace: str, key: str) -> Entry | None:
        """Return what was true not long ago, for when nobody can tell what is."""
        place = (namespace, key)
        with self._lock:
            entry = self._entries.get(place) or self._outdated.get(place)
        bound = settings.BYTES_CACHE_STALE_SECONDS
        return None if entry is None or entry.age_seconds > bound else entry

    def put(self, namespace: str, generation: int, key: str, entry: Entry) -> None:
        with self._lock:
            if self._generations.get(namespace) != generation:
                self._outdate(namespace)
                self._generations[namespace] = generation
            place = (namespace, key)
            self._remove(self._outdated, place)
            self._remove(self._entries, place)
            self._entries[place] = entry
            self.size += _weight(key, entry)
            while self.size > settings.BYTES_CACHE_MAX_BYTES:
                kept = self._outdated or self._entries
                self._remove(kept, next(iter(kept)))

    def clear(self, namespace: str) -> None:
        """Outdate all of it."""
        with self._lock:
            self._outdate(namespace)

    def forget(self, namespace: str, key: str) -> None:
        """Let nothing be known of an address."""
        with self._lock:
            self._remove(self._entries, (namespace, key))
            self._remove(self._outdated, (namespace, key))

    def _outdate(self, namespace: str) -> None:
        self._generations.pop(namespace, None)
        for place in [place for place in self._entries if place[0] == namespace]:
            self._remove(self._outdated, place)
            self._outdated[place] = self._entries.pop(place)

    def _remove(
        self, kept: OrderedDict[tuple[str, str], Entry], place: tuple[str, str]
    ) -> None:
        entry = kept.pop(place, None)
        if entry is not None:
            self.size -= _weight(place[1], entry)


def _weight(key: str, entry: Entry) -> int:
    overhead = 1024  # the objects around the text, roughly
    return len(entry.content) + len(key) + overhead


class Flight:
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.entry: Entry | None = None


class Flights:
    """One build per address and generation at a time in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, int, str], Flight] = {}

    def lead_or_wait(
        self,
        name: tuple[str, int, str],
        build: Callable[[], Entry | HttpResponseBase],
    ) -> Entry | HttpResponseBase | None:
        """Build as the first, or return what the first has built.

        None when the first built nothing to share, or took too long.
        """
        with self._lock:
            flight = self._flights.get(name)
            leads = flight is None
            if flight is None:
                flight = self._flights[name] = Flight()
        if not leads:
            flight.landed.wait(_WAIT_SECONDS)
            return flight.entry
        try:
            built = build()
            if isinstance(built, Entry):
                flight.entry = built
            return built
        finally:
            with self._lock:
                del self._flights[name]
            flight.landed.set()


_line = _Line()
memory = Memory()
flights = Flights()
breaker = valkey_breaker("valkey.cache")
breakers.show(breaker)
# Namespaces whose generation this process could not raise yet.
overdue: set[str] = set()
