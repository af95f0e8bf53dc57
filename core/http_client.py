"""The only door for calls to other companies' servers."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson

from core.request_ids import current_request_id

CONNECT_SECONDS = 1.0
READ_SECONDS = 10.0
# A server that sends a byte now and then keeps to the time between reads for ever.
TOTAL_SECONDS = 15.0
MAX_BYTES = 1_048_576


class OutgoingCallError(Exception):
    """There is no usable answer."""


class NotSentError(OutgoingCallError):
    """The other side can't have seen the request, so it has had no effect."""


class OutcomeUnknownError(OutgoingCallError):
    """The request may have had its effect: ask again under the same key."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            raise OutcomeUnknownError("The answer isn't JSON.") from error


class Client:
    """Calls one server, in bounded time and memory; safe to share between threads.

    Redirects aren't followed, and nothing is retried: only the caller knows what may be.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        read_seconds: float = READ_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes
        self._http = httpx2.Client(
            base_url=base_url,
            headers=dict(headers or {}),
            timeout=httpx2.Timeout(read_seconds, connect=CONNECT_SECONDS),
            follow_redirects=False,
            # A company's proxy can't reach what runs beside us.
            trust_env=not _is_loopback(base_url),
        )

    def get(self, path: str, *, params: Mapping[str, str] | None = None) -> Answer:
        return self._call("GET", path, params=dict(params or {}))

    def post(
        self, path: str, payload: Any, *, idempotency_key: str | None = None
    ) -> Answer:
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return self._call("POST", path, content=orjson.dumps(payload), headers=headers)

    def close(self) -> None:
        self._http.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> Answer:
        """Send one request.

        :raises NotSentError: no connection came about.
        :raises OutcomeUnknownError: the connection broke, or the answer was late or
            too large.
        """
        own = {"Accept": "application/json", "X-Request-ID": current_request_id()}
        deadline = monotonic() + self._total_seconds
        try:
            with self._http.stream(
                method, path, headers=own | dict(headers or {}), **request
            ) as response:
                content = self._read(response, deadline)
        except (
            httpx2.ConnectError,
            httpx2.ConnectTimeout,
            httpx2.PoolTimeout,
        ) as error:
            raise NotSentError(f"{method} {path}: {error}") from error
        except httpx2.HTTPError as error:
            raise OutcomeUnknownError(f"{method} {path}: {error}") from error
        return Answer(response.status_code, dict(response.headers), content)

    def _read(self, response: httpx2.Response, deadline: float) -> bytes:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > self._max_bytes:
                raise OutcomeUnknownError("The answer is too large.")
            if monotonic() > deadline:
                raise OutcomeUnknownError("The answer takes too long.")
        return bytes(content)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
