from uuid import UUID, uuid4

import pytest
from django.test import RequestFactory

from accounts.auth import Device, device_of, device_token

NOBODY = UUID("4f9d4a52-4c5b-4d0e-8a53-3f6a3b1c2d4e")


def ask(**headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestFactory().get("/", headers=names, REMOTE_ADDR="203.0.113.9")


def test_device_of_says_what_the_request_does():
    device_id = uuid4()
    request = ask(user_agent="Firefox/140", device_id=device_token(device_id))

    device = device_of(request, name="Anna's phone")

    assert device == Device("Anna's phone", "203.0.113.9", "Firefox/140", device_id)


def test_device_of_knows_a_browser_by_its_cookie():
    device_id = uuid4()
    request = ask()
    request.COOKIES["shop_device"] = device_token(device_id)

    assert device_of(request).id == device_id


@pytest.mark.parametrize(
    "token", ["", "x", str(NOBODY), f"{NOBODY.hex}:forged", "x" * 5000, "é:é"]
)
def test_an_id_that_is_not_ours_counts_as_none(token):
    assert device_of(ask(device_id=token)).id is None


def test_device_of_bounds_and_cleans_what_the_client_says():
    device = device_of(ask(user_agent="a\x00\n\ud800" + "b" * 999), name="\x00" * 9)

    assert device.user_agent == ("a?" + "b" * 999)[:300]
    assert device.name == ""


def test_an_ipv6_address_is_kept_whole_and_a_socket_has_none():
    request = RequestFactory().get("/", REMOTE_ADDR="2001:db8::1:2")
    local = RequestFactory().get("/", REMOTE_ADDR="")

    assert device_of(request).address == "2001:db8::1:2"
    assert device_of(local).address == ""
