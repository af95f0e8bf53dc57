"""A payment provider in one file, for laptops and tests.

``python -m orders.payments.simulator --port 8100 --ledger var/payments.jsonl``

Speaks JSON over HTTP/1.1 with keep-alive. Every call that moves money carries an
``Idempotency-Key`` and happens once for it. The ledger is a file of JSON lines, written
before the answer, and read again at the start: a restart forgets nothing.

    POST /payments                 {amount, currency, method, capture}
    GET  /payments?key=K           the payment that K made, or 404
    POST /payments/{id}/void       {}
    POST /payments/{id}/refund     {amount}
    GET  /ledger                   every movement of money

Uses nothing outside the standard library, so that it starts in a moment.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qs, unquote, urlsplit

MAX_BODY_BYTES = 65_536
REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
}

Answer = tuple[int, Any]


@dataclass(slots=True)
class SimulatedPayment:
    id: str
    key: str
    amount: int
    currency: str
    method: str
    status: str
    decline_code: str = ""
    authorized: int = 0
    captured: int = 0
    voided: int = 0
    refunded: int = 0


class Refusal(Exception):  # noqa: N818 -- an answer of the provider, not a fault
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.answer: Answer = (status, {"error": code})


class Books:
    """The provider's memory: payments by id and by key, and the ledger behind them."""

    def __init__(self, ledger: Path) -> None:
        self.payments: dict[str, SimulatedPayment] = {}
        # What was asked under a key and which payment answers for it.
        self.keys: dict[str, tuple[dict[str, Any], str]] = {}
        self.lines: list[dict[str, Any]] = []
        ledger.parent.mkdir(parents=True, exist_ok=True)
        written = ledger.read_text(encoding="utf-8") if ledger.exists() else ""
        self._read(written)
        self._file: TextIO = ledger.open("a", encoding="utf-8")
        if written and not written.endswith("\n"):
            # Ends the line that a killed process left torn.
            self._file.write("\n")

    def _read(self, written: str) -> None:
        for text in written.splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                # The last words of a process that was killed.
                continue
            self._apply(line)

    def _apply(self, line: dict[str, Any]) -> SimulatedPayment:
        payment = SimulatedPayment(**line["payment"])
        self.payments[payment.id] = payment
        self.keys[line["key"]] = (line["asked"], payment.id)
        self.lines.append(line)
        return payment

    def record(
        self, kind: str, key: str, asked: dict[str, Any], payment: SimulatedPayment
    ) -> SimulatedPayment:
        line = {
            "at": time.time(),
            "kind": kind,
            "key": key,
            "asked": asked,
            "payment": asdict(payment),
        }
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()
        return self._apply(line)

    def once(
        self, key: str, asked: dict[str, Any], act: Callable[[], SimulatedPayment]
    ) -> Answer:
        if not key:
            raise Refusal(400, "idempotency_key_required")
        if key in self.keys:
            before, payment_id = self.keys[key]
            if before != asked:
                raise Refusal(409, "idempotency_key_reused")
            return 200, asdict(self.payments[payment_id])
        return 201, asdict(act())

    def pay(self, key: str, body: dict[str, Any]) -> Answer:
        method = body.get("method")
        amount, currency = body.get("amount"), body.get("currency")
        if method not in METHODS:
            raise Refusal(422, "unknown_method")
        if type(amount) is not int or amount < 0 or not isinstance(currency, str):
            raise Refusal(422, "invalid_amount")

        def act() -> SimulatedPayment:
            payment = SimulatedPayment(
                id=f"sim_{uuid.uuid4().hex}",
                key=key,
                amount=amount,
                currency=currency,
                method=method,
                status="",
            )
            METHODS[method](payment, bool(body.get("capture")))
            return self.record(payment.status, key, {"pay": body}, payment)

        return self.once(key, {"pay": body}, act)

    def void(self, payment_id: str, key: str) -> Answer:
        payment = self._find(payment_id)

        def act() -> SimulatedPayment:
            if payment.status != "authorized":
                raise Refusal(409, "not_voidable")
            payment.status, payment.voided = "voided", payment.authorized
            return self.record("voided", key, asked, payment)

        asked = {"void": payment_id}
        return self.once(key, asked, act)

    def refund(self, payment_id: str, key: str, body: dict[str, Any]) -> Answer:
        payment = self._find(payment_id)
        amount = body.get("amount")

        def act() -> SimulatedPayment:
            if type(amount) is not int or amount <= 0:
                raise Refusal(422, "invalid_amount")
            if payment.refunded + amount > payment.captured:
                raise Refusal(409, "not_refundable")
            payment.refunded += amount
            if payment.refunded == payment.captured:
                payment.status = "refunded"
            return self.record("refunded", key, asked, payment)

        asked = {"refund": payment_id, **body}
        return self.once(key, asked, act)

    def _find(self, payment_id: str) -> SimulatedPayment:
        try:
            return self.payments[payment_id]
        except KeyError:
            raise Refusal(404, "unknown_payment") from None

    def by_key(self, key: str) -> Answer:
        if key not in self.keys:
            raise Refusal(404, "unknown_payment")
        return 200, asdict(self.payments[self.keys[key][1]])

    def ledger(self) -> Answer:
        return 200, {
            "payments": [asdict(payment) for payment in self.payments.values()]
        }


def _accept(payment: SimulatedPayment, capture: bool) -> None:  # noqa: FBT001 -- a method's whole input
    payment.authorized = payment.amount
    payment.status = "authorized"
    if capture:
        payment.captured = payment.amount
        payment.status = "captured"


def _decline(payment: SimulatedPayment, _capture: bool) -> None:  # noqa: FBT001 -- a method's whole input
    payment.status = "declined"
    payment.decline_code = "card_declined"


METHODS: dict[str, Callable[[SimulatedPayment, bool], None]] = {
    "sim_ok": _accept,
    "sim_declined": _decline,
}


def respond(books: Books, method: str, target: str, key: str, raw: bytes) -> Answer:
    parts = urlsplit(target)
    path = [unquote(part) for part in parts.path.strip("/").split("/")]
    if method == "GET":
        return _read(books, path, parts.query)
    if method != "POST":
        raise Refusal(405, "method_not_allowed")
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        raise Refusal(400, "malformed_json") from None
    if not isinstance(body, dict):
        raise Refusal(400, "malformed_json")
    match path:
        case ["payments"]:
            return books.pay(key, body)
        case ["payments", payment_id, "void"]:
            return books.void(payment_id, key)
        case ["payments", payment_id, "refund"]:
            return books.refund(payment_id, key, body)
    raise Refusal(404, "not_found")


def _read(books: Books, path: list[str], query: str) -> Answer:
    match path:
        case ["payments"]:
            return books.by_key(parse_qs(query).get("key", [""])[0])
        case ["ledger"]:
            return books.ledger()
        case ["health"]:
            return 200, {"status": "ok"}
    raise Refusal(404, "not_found")


async def serve_connection(
    books: Books, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer requests on one connection until the client closes it."""
    try:
        while (head := await _read_head(reader)) is not None:
            method, target, headers = head
            status, body = await _answer(books, method, target, headers, reader)
            keep = headers.get("connection", "").lower() != "close"
            writer.write(_encode(status, body, keep=keep))
            await writer.drain()
            if not keep or status == 413:  # noqa: PLR2004 -- the body was left unread
                break
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


async def _read_head(
    reader: asyncio.StreamReader,
) -> tuple[str, str, dict[str, str]] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:  # noqa: PLR2004 -- method, target, version
        return None
    pairs = (line.partition(":") for line in rest if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return words[0], words[1], headers


async def _answer(
    books: Books,
    method: str,
    target: str,
    headers: dict[str, str],
    reader: asyncio.StreamReader,
) -> Answer:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        return 413, {"error": "too_large"}
    raw = await reader.readexactly(int(length))
    try:
        return respond(books, method, target, headers.get("idempotency-key", ""), raw)
    except Refusal as refusal:
        return refusal.answer


def _encode(status: int, body: Any, *, keep: bool) -> bytes:
    payload = json.dumps(body, separators=(",", ":")).encode()
    connection = "keep-alive" if keep else "close"
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\n"
        f"Connection: {connection}\r\n\r\n"
    )
    return head.encode() + payload


async def serve(host: str, port: int, ledger: Path, path: Path | None = None) -> None:
    """Serve on a port, and on a unix socket too where one is given.

    SIGHUP makes it hang up on everybody, for drills.
    """
    books = Books(ledger)
    writers: set[asyncio.StreamWriter] = set()

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writers.add(writer)
        await serve_connection(books, reader, writer)
        writers.discard(writer)

    def hang_up() -> None:
        for writer in tuple(writers):
            writer.close()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
    if path is not None:
        await asyncio.start_unix_server(connected, path, backlog=512)
    server = await asyncio.start_server(connected, host, port, backlog=512)
    bound = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"Payment simulator on http://{host}:{bound}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=int, default=8100, help="0 takes a free one and prints it"
    )
    parser.add_argument("--socket", type=Path, help="a unix socket to listen on too")
    parser.add_argument("--ledger", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.socket is not None:
        arguments.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        arguments.socket.unlink(missing_ok=True)
    try:
        asyncio.run(
            serve(arguments.host, arguments.port, arguments.ledger, arguments.socket)
        )
    except KeyboardInterrupt:
        return
    except OSError as error:
        sys.exit(
            f"Can't listen on {arguments.host}:{arguments.port}: "
            f"{os.strerror(error.errno or 0)}."
        )


if __name__ == "__main__":
    main()
