"""An open-loop load generator: visitors come when they come, however long others wait.

    python -m benchmarks.overload.generator < plan.json > calls.json

A process of its own. Visits begin at a constant rate, mixed by a seed, and every latency is
counted from the instant at which the visit was due: what the generator or the server holds
up is part of it. A visitor who has waited for ``patience_seconds`` has gone.
"""

import asyncio
import contextlib
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import orjson

from benchmarks.load import Connection

ADDRESS = {
    "full_name": "Bench Mark",
    "line1": "Loop 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}
# Shares of visits. The classes are those of config/settings/_priorities.py.
MIX = {"checkout": 2, "product": 40, "search": 36, "feed": 12, "report": 10}
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


@dataclass(slots=True)
class Visit:
    """``due`` and ``seconds`` from the start; the status of its last call, 0 if it gave up."""

    kind: str
    due: float
    seconds: float = 0.0
    status: int = GONE
    calls: int = 0


@dataclass(slots=True)
class Client:
    """Connections that are free; a new one when none is."""

    base_url: str
    free: deque[Connection] = field(default_factory=deque)

    async def call(
        self, method: str, path: str, body: object, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        connection = self.free.pop() if self.free else Connection(self.base_url)
        try:
            answer = await connection.request(method, path, body, headers)
        except BaseException:
            connection.close()
            raise
        self.free.append(connection)
        return answer


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
    with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
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
    loop = closed_loop if plan.visitors else open_loop
    visits = asyncio.run(loop(plan))
    found: list[dict[str, Any]] = [asdict(one) for one in visits]
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
