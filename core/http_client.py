"""The only door for calls to other companies' servers.

A call passes, from outside in: the deadline of what it is part of, retries within a
budget, the breaker of its operation, and the guard that keeps it out of our own network.
"""

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from time import monotonic, perf_counter
from typing import Any
from urllib.parse import quote, urlencode

import httpcore2
import orjson
import structlog

from core.guarded_network import (
    GuardedNetwork,
    RefusedAddressError,
    Resolve,
    Target,
    resolve,
)
from core.protection import deadlines, shedding
from core.protection.breaker import (
    CircuitOpenError,
    get_breaker,
    is_failing_status,
    is_failure,
)
from core.protection.counters import counters
from core.protection.retries import RetryBudget, RetryPolicy, retrying
from core.request_ids import current_request_id

CONNECT_SECONDS = deadlines.CONNECT_SECONDS
READ_SECONDS = 10.0
# All attempts and the pauses between them.
TOTAL_SECONDS = 15.0
MAX_BYTES = 1_048_576
MAX_CONNECTIONS = 64
IDLE_SECONDS = 30.0
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_PATH = "/%:@!$&'()*+,;=~-._"
_log = structlog.get_logger("outgoing")


class OutgoingCallError(Exception):
    """There is no usable answer."""


class NotSentError(OutgoingCallError):
    """The other side can't have seen the request, so it has had no effect."""


class OutcomeUnknownError(OutgoingCallError):
    """The request may have had its effect: ask again under the same key."""


class TargetRefusedError(NotSentError):
    """Calls don't go to this address; asking again changes nothing."""


class _NoTimeLeftError(OutcomeUnknownError):
    """The caller had no time left, which says nothing of the dependency."""


class _FailingAnswerError(Exception):
    """An answer that is worth another attempt, and an answer all the same."""

    def __init__(self, answer: "Answer") -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    # Names in lower case.
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            raise OutcomeUnknownError("The answer isn't JSON.") from error


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    operation: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    content: bytes
    may_repeat: bool
    # The deadline of the work that the call is part of.
    ends_at: float | None


class Client:
    """Calls one server, in bounded time and memory; safe to share between threads.

    ``name`` is the dependency in metrics, breakers and budgets. Without ``internal`` it
    takes public addresses only, on the ports of the web; with it any, and a unix socket
    (``unix:///path``) too. Redirects aren't followed, and no proxy is used.

    GET, PUT, DELETE and what carries an idempotency key is repeated when it fails or the
    answer is a 5xx, 408, 425 or 429, at most twice.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str,
        internal: bool = False,
        headers: Mapping[str, str] | None = None,
        read_seconds: float = READ_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        max_bytes: int = MAX_BYTES,
        retries: RetryPolicy | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self.name = name
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes
        self._retries = retries or RetryPolicy()
        self._timeouts = {
            "connect": CONNECT_SECONDS,
            "read": read_seconds,
            "write": read_seconds,
            "pool": CONNECT_SECONDS,
        }
        try:
            self._target = Target.parse(base_url, internal=internal)
        except RefusedAddressError as error:
            raise TargetRefusedError(f"{name}: {error}") from error
        self._headers = [
            (b"Host", self._target.authority),
            (b"User-Agent", b"Shopwright"),
            (b"Accept", b"application/json"),
            *_encoded(headers or {}),
        ]
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_ssl_context(encrypts=self._target.scheme == b"https"),
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            uds=self._target.socket,
            network_backend=GuardedNetwork(internal=internal, resolve=resolve),
        )

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        operation: str = "get",
    ) -> Answer:
        if params:
            path = f"{path}?{urlencode(params)}"
        return self.send("GET", path, operation=operation)

    def post(
        self,
        path: str,
        payload: Any,
        *,
        idempotency_key: str | None = None,
        operation: str = "post",
    ) -> Answer:
        return self.send(
            "POST",
            path,
            content=orjson.dumps(payload),
            headers={"Content-Type": "application/json"},
            idempotency_key=idempotency_key,
            operation=operation,
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Send one request, and again where that is safe and makes sense.

        :raises NotSentError: no attempt got out; an open breaker counts as that.
        :raises TargetRefusedError: the address is one that calls don't go to.
        :raises OutcomeUnknownError: an attempt may have arrived, and there is no answer
            within the time, or one too large.
        """
        sent = [*self._headers, *_encoded(headers or {})]
        if request_id := current_request_id():
            sent.append((b"X-Request-ID", request_id.encode()))
        if idempotency_key is not None:
            sent.append((b"Idempotency-Key", idempotency_key.encode()))
        if content or method not in IDEMPOTENT:
            sent.append((b"Content-Length", str(len(content)).encode()))
        head, mark, query = path.partition("?")
        target = f"{self._target.prefix}{quote(head, safe=_PATH)}{mark}{query}"
        call = _Call(
            method,
            operation,
            target.encode("ascii"),
            sent,
            content,
            may_repeat=idempotency_key is not None or method in IDEMPOTENT,
            ends_at=deadlines.current_deadline(),
        )
        with deadlines.deadline(self._total_seconds), shedding.stepping_aside():
            return self._with_retries(call)

    def close(self) -> None:
        self._pool.close()

    def _with_retries(self, call: _Call) -> Answer:
        may_have_arrived = False

        def attempt() -> Answer:
            nonlocal may_have_arrived
            try:
                answer = self._attempt(call)
            except OutcomeUnknownError:
                may_have_arrived = True
                raise
            if is_failing_status(answer.status):
                may_have_arrived = True
                raise _FailingAnswerError(answer)
            return answer

        try:
            return retrying(
                attempt,
                name=self.name,
                policy=self._retries,
                budget=_budget(self.name),
                least_pause=_least_pause if call.may_repeat else _never,
            )
        except _FailingAnswerError as error:
            return error.answer
        except NotSentError as error:
            if not may_have_arrived:
                raise
            raise OutcomeUnknownError(str(error)) from error

    def _attempt(self, call: _Call) -> Answer:
        """Ask once, through the breaker of the operation."""
        begun = perf_counter()
        outcome = "unknown"
        breaker = get_breaker(f"{self.name}.{call.operation}", judge=_judge)
        try:
            with breaker.calling() as passage:
                answer = self._exchange(call)
                passage.answered(answer.status)
            outcome = f"{answer.status // 100}xx"
        except CircuitOpenError as error:
            outcome = "open"
            raise NotSentError(f"{self.name}: the circuit is open.") from error
        except NotSentError:
            outcome = "not_sent"
            raise
        finally:
            self._note(call, outcome, perf_counter() - begun)
        return answer

    def _exchange(self, call: _Call) -> Answer:
        try:
            return self._ask(call)
        except RefusedAddressError as error:
            raise TargetRefusedError(f"{self.name}: {error}") from error
        except (
            httpcore2.ConnectError,
            httpcore2.ConnectTimeout,
            httpcore2.PoolTimeout,
            httpcore2.LocalProtocolError,
        ) as error:
            raise NotSentError(_said(self.name, error)) from error
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.TimeoutException,
        ) as error:
            is_late = call.ends_at is not None and monotonic() >= call.ends_at
            kind = _NoTimeLeftError if is_late else OutcomeUnknownError
            raise kind(_said(self.name, error)) from error

    def _ask(self, call: _Call) -> Answer:
        request = httpcore2.Request(
            call.method.encode(),
            self._target.url(call.target),
            headers=call.headers,
            content=call.content,
            extensions={"timeout": self._timeouts},
        )
        response = self._pool.handle_request(request)
        try:
            content = self._read(response)
        finally:
            response.close()
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        return Answer(response.status, headers, content)

    def _read(self, response: httpcore2.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_stream():
            content += chunk
            if len(content) > self._max_bytes:
                raise OutcomeUnknownError(f"{self.name}: the answer is too large.")
        return bytes(content)

    def _note(self, call: _Call, outcome: str, seconds: float) -> None:
        counters.add_many(
            {
                f"outgoing|{self.name}|{call.operation}|{outcome}": 1,
                f"outgoing_ms|{self.name}": round(seconds * 1000),
            }
        )
        if outcome in {"2xx", "3xx", "4xx"}:
            return
        # Neither address nor headers nor bodies: all of them can hold secrets.
        _log.warning(
            "outgoing_call_failed",
            dependency=self.name,
            operation=call.operation,
            outcome=outcome,
            duration_ms=round(seconds * 1000, 1),
        )


def _said(name: str, error: Exception) -> str:
    return f"{name}: {type(error).__name__} {error}"


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _judge(error: BaseException) -> bool | None:
    if isinstance(error, TargetRefusedError | _NoTimeLeftError):
        return None
    return is_failure(error)


def _least_pause(error: Exception) -> float | None:
    if isinstance(error, _FailingAnswerError):
        return _retry_after(error.answer.headers.get("retry-after", ""))
    is_hopeless = isinstance(error, TargetRefusedError | _NoTimeLeftError)
    is_open = isinstance(error.__cause__, CircuitOpenError)
    if is_hopeless or is_open or not isinstance(error, OutgoingCallError):
        return None
    return 0.0


def _never(_: Exception) -> None:
    return None


def _retry_after(text: str) -> float:
    """Return the seconds that the header asks for, as a number or as an instant."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(
            0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        )
    except (TypeError, ValueError):
        return 0.0


@cache
def _ssl_context(*, encrypts: bool) -> ssl.SSLContext:
    if encrypts:
        return ssl.create_default_context()
    # Never used; without one the pool would read certificates for each client.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _budget(name: str) -> RetryBudget:
    budget = _budgets.get(name)
    if budget is None:
        with _lock:
            budget = _budgets.setdefault(name, RetryBudget())
    return budget


def forget_budgets() -> None:
    _budgets.clear()


_lock = threading.Lock()
_budgets: dict[str, RetryBudget] = {}
