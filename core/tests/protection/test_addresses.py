import pytest
from django.test import RequestFactory

from core.protection import addresses
from core.protection.addresses import client_of

CHAIN = "198.51.100.9, 203.0.113.7, 192.0.2.1"


def client(forwarded="", *, peer="10.0.0.2"):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return client_of(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (0, "", "10.0.0.2"),
        # Nobody in front is trusted, so the header is the client's own claim.
        (0, CHAIN, "10.0.0.2"),
        (1, CHAIN, "192.0.2.1"),
        (2, CHAIN, "203.0.113.7"),
        (3, CHAIN, "198.51.100.9"),
        # A chain with fewer entries than trusted hops can hold no forged one.
        (4, CHAIN, "198.51.100.9"),
        (1, "", "10.0.0.2"),
        (1, "nonsense", "10.0.0.2"),
        (1, "1.2.3.4, ", "10.0.0.2"),
        (1, "203.0.113.7:1234", "203.0.113.7"),
        (1, "x" * 100_000, "10.0.0.2"),
    ],
)
def test_only_our_own_proxies_are_believed(settings, hops, forwarded, expected):
    settings.TRUSTED_PROXY_HOPS = hops

    assert client(forwarded).name == expected


@pytest.mark.parametrize(
    ("peer", "name", "network"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7/32"),
        ("", "unknown", ""),
        ("unix:", "unknown", ""),
    ],
)
def test_an_address_is_counted_whole_or_by_its_64(peer, name, network):
    found = client(peer=peer)

    assert (found.name, found.network) == (name, network)


@pytest.mark.parametrize(
    ("peer", "is_ours"),
    [
        ("10.1.2.3", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("fd00::1", True),
        ("", True),
        ("203.0.113.7", False),
        ("2001:db8::1", False),
    ],
)
def test_our_own_side_is_known(peer, is_ours):
    assert client(peer=peer).is_on_our_side is is_ours


@pytest.mark.parametrize(
    "written",
    ["1.2.3", "01.2.3.4", "0x1.2.3.4", "256.1.1.1", "1.2.3.4\0", "1.2.3.4 "],
)
def test_an_address_is_written_in_one_way_only(written):
    """Else a client would be counted under as many names as it knows spellings."""
    assert client(peer=written).name == "unknown"


@pytest.mark.parametrize("written", ["203.0.113.7", "203.0.113.7:80", "[::1]:80", "x"])
def test_the_quick_way_to_read_an_address_finds_what_the_slow_one_finds(written):
    assert addresses._parse(written) == addresses._parse_slowly(written)  # noqa: SLF001 -- the two that have to agree
