"""A mail server of a few lines, on a real socket, that can be told to refuse."""

import asyncio
import threading
from contextlib import contextmanager


class SmtpSink:
    def __init__(self):
        self.messages = []
        self.refusal = b""
        self.connections = 0
        self.port = 0

    async def serve_client(self, reader, writer):
        self.connections += 1
        writer.write(b"220 sink ready\r\n")
        while line := await reader.readline():
            command = line.split()[0].upper()
            if command == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            if command == b"DATA" and not self.refusal:
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                self.messages.append(content.removesuffix(b".\r\n"))
                writer.write(b"250 accepted\r\n")
            else:
                refused = command == b"DATA" and self.refusal
                writer.write(refused or b"250 fine\r\n")
        writer.close()


@contextmanager
def running_smtp_sink():
    sink = SmtpSink()
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def listen():
        server = await asyncio.start_server(sink.serve_client, "127.0.0.1", 0)
        sink.port = server.sockets[0].getsockname()[1]
        sink.stop = asyncio.Event()
        ready.set()
        await sink.stop.wait()
        server.close()
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),))
    thread.start()
    ready.wait(5)
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(sink.stop.set)
        thread.join(5)
        loop.close()
