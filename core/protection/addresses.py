"""Whose address a request comes from, behind as many proxies as we trust."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from socket import AF_INET, inet_pton
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

_META = "shopwright.client"
# What one customer of a provider gets; within it addresses change at will.
_IPV6_PREFIX = 64
# Addresses of our own side: a proxy that isn't counted in TRUSTED_PROXY_HOPS, for one.
_OWN_SIDE = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


@dataclass(frozen=True, slots=True)
class Client:
    """An address as we count by it: IPv4 whole, IPv6 by its /64."""

    name: str
    address: IPv4Address | IPv6Address | None

    @property
    def network(self) -> str:
        """The same as a CIDR; empty where there is no address."""
        if self.address is None:
            return ""
        return self.name if self.address.version == 6 else f"{self.name}/32"  # noqa: PLR2004 -- IPv6

    @property
    def is_on_our_side(self) -> bool:
        """Tell whether blocking it could shut out our own proxy, and all behind it."""
        address = self.address
        return address is None or any(address in network for network in _OWN_SIDE)


def client_of(request: HttpRequest | Request) -> Client:
    """Return the nearest address that isn't one of our proxies'.

    With n trusted hops it is the n-th of X-Forwarded-For from the right; what stands
    further left is the client's own claim. An entry that is no address counts as none,
    and then the connection's own address is used.
    """
    client: Client | None = request.META.get(_META)
    return client or client_in(request.META)


def client_in(meta: dict[str, Any]) -> Client:
    """Return the same from what a server says of a request."""
    client: Client | None = meta.get(_META)
    if client is None:
        client = _client(meta)
        meta[_META] = client
    return client


def _client(meta: dict[str, str]) -> Client:
    hops = settings.TRUSTED_PROXY_HOPS
    peer = meta.get("REMOTE_ADDR", "")
    if hops:
        claimed = meta.get("HTTP_X_FORWARDED_FOR", "").split(",")
        # A shorter chain than ours has entries of our proxies only, or none.
        entry = claimed[max(0, len(claimed) - hops)].strip()
        found = _parse(entry[:100])
        if found.address is not None:
            return found
    return _parse(peer[:100])


@lru_cache(maxsize=4096)
def _parse(text: str) -> Client:
    try:
        # Nearly all are of this kind, and C knows them twenty times as fast.
        return Client(text, IPv4Address(inet_pton(AF_INET, text)))
    except (OSError, ValueError):
        return _parse_slowly(text)


def _parse_slowly(text: str) -> Client:
    try:
        address = ip_address(_without_port(text))
    except ValueError:
        # A unix socket's peer has no address; all of those are one client.
        return Client("unknown", None)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return Client(str(address.ipv4_mapped), address.ipv4_mapped)
        network = ip_network((int(address), _IPV6_PREFIX), strict=False)
        return Client(str(network), IPv6Address(int(address)))
    return Client(str(address), address)


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    if text.count(":") == 1:
        return text.partition(":")[0]
    # fe80::1%eth0 names the interface as well.
    return text.partition("%")[0]
