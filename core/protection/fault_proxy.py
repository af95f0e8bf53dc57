"""A bad network in one process, for tests and drills: it stands before a server and spoils its answers.

Listens on and leads to TCP or unix sockets. What it does is changed while it runs; chance
comes from a seed. Nothing here is part of a running shop.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CHUNK = 65_536
# SO_LINGER of 0 s: close() sends RST instead of FIN.
_LINGER = struct.pack("ii", 1, 0)

Address = Path | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Faults:
    """How answers are spoilt; all of it at once, and by default nothing.

    ``latency`` and ``jitter`` are seconds for each piece, ``bandwidth`` bytes a second.
    ``slices`` cuts answers into pieces of so many bytes. ``limit`` is how many bytes pass
    before the connection is closed. With ``timeout`` nothing passes, and the connection is
    closed after that; with ``reset`` it is torn down after that. ``slow_close`` holds the
    end of a connection back. ``down`` refuses everybody.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float = 0.0
    slices: int = 0
    limit: int | None = None
    timeout: float | None = None
    reset: float | None = None
    slow_close: float = 0.0
    down: bool = False


class FaultProxy:
    def __init__(self, upstream: Address, *, seed: int = 0) -> None:
        self._upstream = upstream
        self._random = random.Random(seed)  # noqa: S311 -- plays the weather
        self._faults = Faults()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.connections = 0
        self.passed_bytes = 0

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """Change the weather, from any thread; what is down cuts off who is connected."""
        self._faults = faults
        if faults.down:
            self.cut_off()

    async def open(self, listen: Address) -> Address:
        """Begin to listen; return where, which tells the port where 0 was asked for."""
        self._loop = asyncio.get_running_loop()
        if isinstance(listen, Path):
            self._server = await asyncio.start_unix_server(self._meet, listen)
            return listen
        self._server = await asyncio.start_server(self._meet, *listen)
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._cut_off()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut_off(self) -> None:
        """Tear down every connection, from any thread; the next ones are new."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cut_off)

    def _cut_off(self) -> None:
        for writer in tuple(self._writers):
            _tear_down(writer)

    async def _meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        # Reset by either side, or closed by us: all of that is the weather.
        with suppress(OSError, asyncio.CancelledError):
            await self._connect(reader, writer)
        self._writers.discard(writer)
        writer.close()

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._faults.down:
            _tear_down(writer)
            return
        if isinstance(self._upstream, Path):
            above, upward = await asyncio.open_unix_connection(self._upstream)
        else:
            above, upward = await asyncio.open_connection(*self._upstream)
        self.connections += 1
        self._writers.add(upward)
        questions = asyncio.create_task(_pass_on(reader, upward))
        try:
            await self._answer(above, writer)
        finally:
            questions.cancel()
            self._writers.discard(upward)
            upward.close()
            self.connections -= 1

    async def _answer(
        self, above: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        passed = 0
        async for piece in self._pieces(above):
            faults = self._faults
            if faults.reset is not None:
                await asyncio.sleep(faults.reset)
                _tear_down(writer)
                return
            if faults.timeout is not None:
                await asyncio.sleep(faults.timeout)
                return
            await asyncio.sleep(self._delay_of(len(piece)))
            left = len(piece) if faults.limit is None else faults.limit - passed
            writer.write(piece[: max(0, left)])
            await writer.drain()
            passed += len(piece)
            self.passed_bytes += len(piece)
            if faults.limit is not None and passed >= faults.limit:
                return
        await asyncio.sleep(self._faults.slow_close)

    async def _pieces(self, above: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while chunk := await above.read(CHUNK):
            size = self._faults.slices or CHUNK
            for start in range(0, len(chunk), size):
                yield chunk[start : start + size]

    def _delay_of(self, size: int) -> float:
        faults = self._faults
        late = faults.latency
        if faults.jitter:
            late += self._random.uniform(-faults.jitter, faults.jitter)
        return max(0.0, late) + (size / faults.bandwidth if faults.bandwidth else 0.0)


async def _pass_on(reader: asyncio.StreamReader, upward: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            upward.write(chunk)
            await upward.drain()
        # The client has said all it has to say, or is gone.
        upward.write_eof()


def _tear_down(writer: asyncio.StreamWriter) -> None:
    own: socket.socket | None = writer.get_extra_info("socket")
    if own is not None and own.family in {socket.AF_INET, socket.AF_INET6}:
        # It may be closed already.
        with suppress(OSError):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()


@contextmanager
def running_proxy(
    upstream: Address, listen: Address = ("127.0.0.1", 0), *, seed: int = 0
) -> Iterator[tuple[FaultProxy, Address]]:
    """Run a proxy on a thread of its own; yield it and where it listens."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-proxy", daemon=True)
    thread.start()
    proxy = FaultProxy(upstream, seed=seed)
    try:
        place = asyncio.run_coroutine_threadsafe(proxy.open(listen), loop).result()
        yield proxy, place
    finally:
        asyncio.run_coroutine_threadsafe(proxy.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
