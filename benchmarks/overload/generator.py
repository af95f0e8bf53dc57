"""An open-loop load generator: visitors come when they come, however long others wait.

    python -m benchmarks.overload.generator < plan.json > calls.json

A process of its own. Visits begin at a constant rate, mixed by a seed, and every latency is
counted from the instant at which the visit was due: what the generator or the server holds
up is part of it. A visitor who has waited for ``patience_seconds`` has gone.
"""

import asyncio
import contextlib
import os
import resource
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import uvloop

from benchmarks.load import HEADER_END, content_length

ADDRESS = {
    "full_name": "Bench Mark",
    "line1": "Loop 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}
# Shares of visits. The classes are those of config/settings/_priorities.py. Of 250 who look
# one buys; more, and at ten times the load who buys would be more than fits by himself.
MIX = {"checkout": 0.4, "product": 40, "search": 37, "feed": 12, "report": 10.6}
GONE = 0


@dataclass(slots=True)
class Plan:
    base_url: str
    rate: float
    seconds: float
    seed: int
    catalogue: Mapping[str, list[str]]
    patience_seconds: float = 3.0
    # Closed loop instead, by so many visitors: how much can be done at all.
    visitors: int = 0
    # The processors that the generator keeps to; all where there are none.
    cores: Sequence[int] = ()


@dataclass(slots=True)
class Visit:
    """``due`` and ``seconds`` from the start; the status of its last call, 0 if it gave up."""

    kind: str
    due: float
    seconds: float = 0.0
    status: int = GONE
    calls: int = 0


class Line(asyncio.Protocol):
    """A connection that asks one thing at a time, at a fraction of what streams cost."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(HEADER_END)
        answer = self._answer
        if not end or answer is None or answer.done():
            return
        if len(body) >= content_length(head):
            answer.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Client:
    """Lines that are free; a new one when none is."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._free: deque[Line] = deque()

    async def call(
        self, method: str, path: str, body: object, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        payload = b"" if body is None else orjson.dumps(body)
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append("Content-Type: application/json")
            lines.append(f"Content-Length: {len(payload)}")
        request = "\r\n".join(lines).encode() + HEADER_END + payload
        line = self._free.pop() if self._free else await self._dial()
        try:
            answer = await line.ask(request)
        except BaseException:
            line.close()
            raise
        self._free.append(line)
        return answer

    async def _dial(self) -> Line:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(Line, self._host, self._port)
        return line


class Visitor:
    """Knows the calls of each kind of visit; comes from an address of his own."""

    def __init__(self, client: Client, plan: Plan, random: Random) -> None:
        self._client = client
        self._catalogue = plan.catalogue
        self._random = random
        number = random.randrange(1 << 24)
        self._address = f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        self.calls = 0

    async def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, bytes]:
        headers["X-Forwarded-For"] = self._address
        self.calls += 1
        return await self._client.call(method, path, body, headers)

    async def product(self) -> int:
        slug = self._random.choice(self._catalogue["slugs"])
        return (await self.call("GET", f"/api/v1/products/{slug}"))[0]

    async def search(self) -> int:
        text = self._random.choice(self._catalogue["searches"])
        return (await self.call("GET", f"/api/v1/search?q={text}"))[0]

    async def feed(self) -> int:
        return (await self.call("GET", "/api/bench/feed"))[0]

    async def report(self) -> int:
        return (await self.call("GET", "/api/bench/report"))[0]

    async def checkout(self) -> int:
        """Fill a cart, say where it goes, pay: all three or it doesn't count."""
        items = [
            {
                "variant_id": self._random.choice(self._catalogue["variants"]),
                "quantity": 1,
            }
        ]
        status, body = await self.call("POST", "/api/v1/carts", {"items": items})
        if status != 201:
            return status
        cart = f"/api/v1/carts/{orjson.loads(body)['id']}"
        details = {
            "email": "bench@example.com",
            "shipping_address": ADDRESS,
            "shipping_option_id": self._catalogue["shipping_option"][0],
        }
        status, _ = await self.call("PATCH", cart, details)
        if status != 200:
            return status
        payment = {"payment": {"provider": "simulated", "method": "sim_ok"}}
        key = str(UUID(int=self._random.getrandbits(128)))
        headers = {"Idempotency-Key": key}
        status, _ = await self.call("POST", f"{cart}/checkout", payment, **headers)
        return status


async def visit(
    plan: Plan, client: Client, found: Visit, random: Random, start: float
) -> None:
    visitor = Visitor(client, plan, random)
    act: Callable[[], Awaitable[int]] = getattr(visitor, found.kind)
    left = start + found.due + plan.patience_seconds - time.perf_counter()
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(left):
            found.status = await act()
    found.seconds = time.perf_counter() - start - found.due
    found.calls = visitor.calls


async def open_loop(plan: Plan) -> list[Visit]:
    random = Random(plan.seed)
    client = Client(plan.base_url)
    kinds = random.choices([*MIX], [*MIX.values()], k=int(plan.rate * plan.seconds))
    visits = [Visit(kind, n / plan.rate) for n, kind in enumerate(kinds)]
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, found in enumerate(visits):
            delay = start + found.due - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            own = Random(plan.seed * 1_000_003 + number)
            group.create_task(visit(plan, client, found, own, start))
    return visits


async def closed_loop(plan: Plan) -> list[Visit]:
    random = Random(plan.seed)
    client = Client(plan.base_url)
    start = time.perf_counter()
    visits: list[Visit] = []

    async def come_again() -> None:
        while (due := time.perf_counter() - start) < plan.seconds:
            (kind,) = random.choices([*MIX], [*MIX.values()])
            found = Visit(kind, due)
            own = Random(random.random())
            await visit(plan, client, found, own, start)
            visits.append(found)

    async with asyncio.TaskGroup() as group:
        for _ in range(plan.visitors):
            group.create_task(come_again())
    return visits


def main() -> None:
    plan = Plan(**orjson.loads(sys.stdin.buffer.read()))
    # Each who waits has a connection of his own.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if plan.cores:
        os.sched_setaffinity(0, plan.cores)
    loop = closed_loop if plan.visitors else open_loop
    visits = uvloop.run(loop(plan))
    found: list[dict[str, Any]] = [asdict(one) for one in visits]
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
