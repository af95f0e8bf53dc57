"""A small closed-loop HTTP/1.1 client: so many connections, each asking again at once.

Plain asyncio on loopback, keep-alive, no parsing beyond what the framing needs, so that the
client leaves the machine's cores to the server it measures.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

HEADER_END = b"\r\n\r\n"


@dataclass(slots=True)
class Result:
    name: str
    seconds: float = 0.0
    # Of the server's side: what it took of the processors.
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    @property
    def cpu_ms(self) -> float:
        return self.cpu_seconds * 1000 / (len(self.latencies) or 1)

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds that this share of the calls stayed within."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


class Connection:
    """One keep-alive connection, used by one task at a time."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        payload = b"" if body is None else orjson.dumps(body)
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body is not None:
            lines += [
                "Content-Type: application/json",
                f"Content-Length: {len(payload)}",
            ]
        head = "\r\n".join(lines).encode() + HEADER_END
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self._streams
        writer.write(head + payload)
        answer = await reader.readuntil(HEADER_END)
        status = int(answer[9:12])
        content = await reader.readexactly(content_length(answer))
        if b"connection: close" in answer.lower():
            self.close()
        return status, content

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


def content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of work on a connection; the status that ``do`` returns tells its success.

    After ``round`` turns it has asked for everything that it ever asks for.
    """

    do: Callable[[Connection, int], Awaitable[int]]
    round: int = 10


def get(paths: list[str]) -> Step:
    """Ask for the paths in turn."""

    async def do(connection: Connection, turn: int) -> int:
        status, _ = await connection.request("GET", paths[turn % len(paths)])
        return status

    return Step(do, round=len(paths))


@dataclass(frozen=True, slots=True)
class Load:
    """So many clients of one server, each asking again as soon as it has its answer."""

    base_url: str
    clients: int

    def warm_up(self, step: Step) -> None:
        """Take every client through a whole round, so that nothing is a first time."""

        async def loop(connection: Connection, first: int) -> None:
            for turn in range(first, first + step.round):
                await step.do(connection, turn)

        asyncio.run(self._run(step, loop))

    def measure(self, step: Step, seconds: float, result: Result) -> None:
        """Add the calls of so many seconds to the result."""
        start = time.perf_counter()
        end = start + seconds

        async def loop(connection: Connection, first: int) -> None:
            turn = first
            while (begin := time.perf_counter()) < end:
                status = await step.do(connection, turn)
                turn += 1
                result.latencies.append(time.perf_counter() - begin)
                result.statuses[status] += 1

        asyncio.run(self._run(step, loop))
        result.seconds += time.perf_counter() - start

    async def _run(
        self, step: Step, loop: Callable[[Connection, int], Awaitable[None]]
    ) -> None:
        async def client(number: int) -> None:
            connection = Connection(self.base_url)
            # Spread over the round, so that no two ask for the same in step.
            await loop(connection, number * step.round // self.clients)
            connection.close()

        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(client(number))
