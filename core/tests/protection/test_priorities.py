import pytest

from core.protection.priorities import Priorities, Priority

A, B, C, D = (Priority(level) for level in (10, 20, 30, 40))


@pytest.fixture
def priorities():
    table = {
        "/": D,
        "/carts/{id}/*": C,
        "POST /carts": B,
        "POST /carts/{id}/checkout": A,
        "/things/*": B,
        "GET /things/*": C,
        "/things/own": A,
    }
    return Priorities(table, otherwise=Priority(70))


@pytest.mark.parametrize(
    ("method", "path", "level"),
    [
        ("GET", "/", 40),
        ("POST", "/carts", 20),
        ("POST", "/carts/", 20),
        ("GET", "/carts", 70),
        ("GET", "/carts/1", 30),
        ("GET", "/carts/1/items/2", 30),
        ("POST", "/carts/1/checkout", 10),
        ("GET", "/carts/1/checkout", 30),
        ("POST", "/carts/1/checkout/more", 30),
        ("POST", "/things", 20),
        ("GET", "/things", 30),
        ("HEAD", "/things/1", 30),
        ("PATCH", "/things/1/2", 20),
        ("GET", "/things/own", 10),
        ("GET", "/things/own/2", 30),
        ("GET", "/nowhere", 70),
        ("GET", "//", 40),
        ("GET", "", 40),
    ],
)
def test_the_longest_match_says_how_important_a_request_is(
    priorities, method, path, level
):
    assert priorities.find(method, path).level == level


def test_what_the_table_does_not_name_is_known(priorities):
    assert priorities.named("GET", "/nowhere") is None
    assert priorities.named("GET", "/carts") is None
    assert priorities.named("POST", "/carts") == B
