"""Nobody makes the shop call what lies inside its own network."""

import socket
import time
from contextlib import ExitStack

import httpcore2
import pytest

from core.guarded_network import (
    GuardedNetwork,
    RefusedAddressError,
    Target,
    is_public,
)
from core.http_client import Client, NotSentError, TargetRefusedError
from core.protection.deadlines import deadline
from core.tests.test_http_client import send, server

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"]
)
def test_the_open_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.1", "0.1.2.3", "::1", "::"),
        *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1"),
        *("169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fec0::1"),
        *("100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
        *("203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("ff02::1", "ff0e::1", "2001:db8::1"),
        # IPv4 in disguise, of which even public ones are refused.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::7f00:1"),
        *("2002:7f00:1::", "2001:0:7f00:1::"),
    ],
)
def test_everything_else_is_not(address):
    assert not is_public(address)


class Stream(httpcore2.NetworkStream):
    def __init__(self, address):
        self.address = address

    def get_extra_info(self, info):
        return self.address


def guarded(*answers, internal=False, dialled=None, dial=None):
    """A network whose resolver gives these answers one after the other."""
    queue = list(answers)

    def note(address, port, timeout):
        dialled.append((address, port))
        return httpcore2.NetworkStream()

    return GuardedNetwork(
        internal=internal, resolve=lambda host, port: queue.pop(0), dial=dial or note
    )


def test_the_address_that_was_judged_is_the_one_dialled():
    dialled = []

    guarded([PUBLIC], dialled=dialled).connect_tcp("shop.example", 443)

    assert dialled == [(PUBLIC, 443)]


def test_a_name_that_changes_its_meaning_gains_nothing():
    """DNS rebinding: public when it is looked up first, ourselves ever after."""
    dialled = []
    network = guarded([PUBLIC], ["127.0.0.1"], ["127.0.0.1"], dialled=dialled)

    network.connect_tcp("rebind.example", 443)
    # The name was asked for once: had it been asked again to connect, it would say 127.0.0.1.
    assert dialled == [(PUBLIC, 443)]

    with pytest.raises(RefusedAddressError):
        network.connect_tcp("rebind.example", 443)
    assert dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::1", PUBLIC], ["::ffff:7f00:1"]]
)
def test_one_address_inside_condemns_the_name(answers):
    dialled = []

    with pytest.raises(RefusedAddressError):
        guarded(answers, dialled=dialled).connect_tcp("mixed.example", 443)

    assert dialled == []


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "::1", "10.1.2.3"])
def test_an_address_instead_of_a_name_is_judged_too(host):
    with pytest.raises(RefusedAddressError):
        guarded(dialled=[]).connect_tcp(host, 443)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "0177.0.0.1"])
def test_other_spellings_of_ourselves_are_judged_by_what_they_mean(host):
    with pytest.raises((RefusedAddressError, httpcore2.ConnectError)):
        GuardedNetwork(internal=False).connect_tcp(host, 443)


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 8000, 8080])
def test_odd_ports_are_refused(port):
    with pytest.raises(RefusedAddressError):
        guarded([PUBLIC], dialled=[]).connect_tcp("shop.example", port)


def test_our_own_dependencies_may_be_anywhere():
    dialled = []

    guarded(["10.0.0.7"], internal=True, dialled=dialled).connect_tcp("pay", 8100)

    assert dialled == [("10.0.0.7", 8100)]


def test_the_next_address_is_tried_when_one_does_not_answer():
    def dial(address, port, timeout):
        if address == PUBLIC:
            raise httpcore2.ConnectError
        return Stream(address)

    stream = guarded([PUBLIC, "8.8.8.8"], dial=dial).connect_tcp("shop.example", 443)

    assert stream.get_extra_info("peer") == "8.8.8.8"


def test_a_server_that_takes_no_connection_is_given_up_after_a_second():
    """Its queue of those who want to connect is full, so that it answers nobody."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        ExitStack() as stack,
    ):
        address = full.getsockname()
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.settimeout(0)
            one.connect_ex(address)
        client = Client(f"http://127.0.0.1:{address[1]}", name="full", internal=True)
        started = time.monotonic()
        with pytest.raises(NotSentError):
            client.post("/pay", {})
        took = time.monotonic() - started
        client.close()

    # A system's own patience is minutes.
    assert 0.9 < took < 5


def test_a_slow_resolver_is_not_waited_for():
    network = GuardedNetwork(internal=False, resolve=lambda *_: time.sleep(2))

    with pytest.raises(httpcore2.ConnectTimeout):
        network.connect_tcp("slow.example", 443, timeout=0.05)
    with deadline(0.05), pytest.raises(httpcore2.ConnectTimeout):
        network.connect_tcp("slow.example", 443, timeout=60)


def test_a_name_that_does_not_exist_was_not_sent_to():
    def nothing(host, port):
        raise socket.gaierror

    shop = Client("https://none.example", name="test", resolve=nothing)

    with pytest.raises(NotSentError):
        shop.get("/")


def test_each_attempt_is_judged_anew():
    """The first attempt finds nobody there, the second one is led to ourselves."""
    answers = [[], ["127.0.0.1"]]
    shop = Client("https://a.example", name="t", resolve=lambda *_: answers.pop(0))

    with pytest.raises(TargetRefusedError):
        shop.get("/")

    assert answers == []


def test_a_client_keeps_out_of_our_network():
    with server(lambda handler: send(handler, b"{}")) as url:
        refused = Client(url, name="test")
        with pytest.raises(TargetRefusedError):
            refused.get("/")

        # The control: the same server, as a dependency of our own.
        own = Client(url, name="test", internal=True)
        assert own.get("/").status == 200
        own.close()


def test_redirects_into_our_network_are_not_followed():
    def lead_away(handler):
        send(handler, b"", 302, Location="http://169.254.169.254/latest")

    with server(lead_away) as url:
        shop = Client(url, name="test", internal=True)
        assert shop.get("/").status == 302
        shop.close()


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://shop.example", "file:///etc/passwd", "gopher://x", "//shop.example"),
        *("https://", "https://user:secret@shop.example", "https://shop.example:x"),
        *("https://shop.example/?q", "https://shop.example/#f", "https://[::1"),
        *("unix:///run/postgresql", "http://" + "a" * 64 + ".example"),
    ],
)
def test_addresses_that_calls_cannot_go_to(address):
    with pytest.raises(TargetRefusedError):
        Client(address, name="test")


@pytest.mark.parametrize(
    ("address", "authority"),
    [
        ("https://shop.example", b"shop.example"),
        ("https://shop.example:443", b"shop.example:443"),
        ("http://[2606:4700::1]:80", b"[2606:4700::1]:80"),
        ("https://Bücher.example/x", b"xn--bcher-kva.example"),
    ],
)
def test_the_host_header_names_the_server(address, authority):
    assert Target.parse(address, internal=False).authority == authority
