"""The network as outgoing calls see it: addresses that are judged before they are dialled.

A name is resolved here, once for each connection, and the connection goes to the very
address that was judged, so a name that means something else a moment later (DNS
rebinding) gains nothing. Every wait ends with the deadline.
"""

import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpcore2

from core.protection import deadlines

Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float | None], httpcore2.NetworkStream]

PUBLIC_PORTS = frozenset({80, 443})
_MOST_ADDRESSES = 3
# What of IPv6 is handed out, but for Teredo and 6to4: these carry an address of IPv4,
# which may be anybody's, as others outside of it do.
_UNICAST = ip_network("2000::/3")
_DISGUISES = (ip_network("2001::/32"), ip_network("2002::/16"))
_RESOLVERS = 4


class RefusedAddressError(Exception):
    """Calls don't go there: the target is, or may be, inside our own network."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server's address, taken apart once."""

    scheme: bytes
    host: bytes
    port: int | None
    prefix: str = ""
    # The path of a unix socket, where it is one.
    socket: str | None = None

    @classmethod
    def parse(cls, base_url: str, *, internal: bool) -> "Target":
        """Take an address apart; a unix socket is one only for what is our own.

        :raises RefusedAddressError: if calls can't go there, whatever its host means.
        """
        try:
            parts = urlsplit(base_url)
            port = parts.port
            host = (parts.hostname or "").encode("idna")
        except ValueError as error:
            raise RefusedAddressError("The address can't be read.") from error
        if parts.scheme == "unix" and internal and parts.path:
            return cls(b"http", b"localhost", None, socket=parts.path)
        if parts.scheme not in {"http", "https"} or not host:
            raise RefusedAddressError("The address isn't one of http or https.")
        if parts.username is not None or parts.query or parts.fragment:
            raise RefusedAddressError(
                "The address holds more than host, port and path."
            )
        return cls(parts.scheme.encode(), host, port, parts.path.rstrip("/"))

    @property
    def authority(self) -> bytes:
        host = b"[%b]" % self.host if b":" in self.host else self.host
        return host if self.port is None else b"%b:%d" % (host, self.port)

    def url(self, path: bytes) -> httpcore2.URL:
        return httpcore2.URL(
            scheme=self.scheme, host=self.host, port=self.port, target=path
        )


def is_public(text: str) -> bool:
    """Tell an address on the open internet from every other."""
    # A zone, as in fe80::1%eth0, belongs to a link.
    if "%" in text:
        return False
    address: IPv4Address | IPv6Address = ip_address(text)
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return True
    return address in _UNICAST and not any(address in net for net in _DISGUISES)


def resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def dial(address: str, port: int, timeout: float | None) -> httpcore2.NetworkStream:
    return httpcore2.SyncBackend().connect_tcp(address, port, timeout)


class GuardedNetwork(httpcore2.NetworkBackend):
    """Dials public addresses only, or any where the dependency is our own (``internal``)."""

    def __init__(
        self, *, internal: bool, resolve: Resolve = resolve, dial: Dial = dial
    ) -> None:
        self._internal = internal
        self._resolve = resolve
        self._dial = dial

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 -- httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 -- httpcore's signature
    ) -> httpcore2.NetworkStream:
        failure: Exception = httpcore2.ConnectError("The name has no address.")
        for address in self._addresses(host, port, timeout)[:_MOST_ADDRESSES]:
            try:
                return TimedStream(self._dial(address, port, _left(timeout)))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 -- httpcore's signature
    ) -> httpcore2.NetworkStream:
        backend = httpcore2.SyncBackend()
        return TimedStream(backend.connect_unix_socket(path, _left(timeout)))

    def _addresses(self, host: str, port: int, timeout: float | None) -> Sequence[str]:
        found = self._resolved(host, port, timeout)
        if self._internal:
            return found
        if port not in PUBLIC_PORTS:
            raise RefusedAddressError(f"Port {port} isn't one of the web.")
        # One that is inside condemns all: an honest name doesn't mix them.
        if not all(is_public(address) for address in found):
            raise RefusedAddressError("The name leads into a network of our own.")
        return found

    def _resolved(self, host: str, port: int, timeout: float | None) -> Sequence[str]:
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        try:
            # The system's resolver takes as long as it likes.
            return _resolvers.submit(self._resolve, host, port).result(_left(timeout))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(
                "The name wasn't resolved in time."
            ) from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("The name can't be resolved.") from error


class TimedStream(httpcore2.NetworkStream):
    """Sends what belongs together at once, and waits no longer than the deadline allows."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner
        # A request's head and body; the other side needn't wake up for each.
        self._unsent: list[bytes] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            unsent, self._unsent = self._unsent, []
            self._inner.write(b"".join(unsent), _left(timeout, httpcore2.WriteTimeout))
        return self._inner.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 -- httpcore's signature
        self._unsent.append(buffer)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: Any,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout)
        return TimedStream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(
    timeout: float | None, late: type[Exception] = httpcore2.ConnectTimeout
) -> float | None:
    """Return the shorter of the timeout and what the deadline leaves."""
    left = deadlines.remaining()
    if left is None:
        return timeout
    if left <= 0:
        raise late("The time is up.")
    return left if timeout is None else min(timeout, left)


_resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")
