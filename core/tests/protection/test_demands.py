"""What a request asks of whose buckets, remembered as long as the rules are the same."""

import pytest
from django.test import RequestFactory

from core.protection import demands
from core.protection.addresses import client_of
from core.protection.demands import LONGEST_PATH_KEPT, demand_of
from core.protection.policies import Policy, Weight
from core.protection.principals import principal_of
from core.protection.rules import Rules

MINUTE = Policy("minute", 20, 60)
SEARCH = Policy("search", 5, 60, method="GET", path="/search")
LOGIN = Policy("login", 5, 60, per="account", method="POST", path="/login")


def ask(rules, path="/x", method="GET", mode="enforce", address="203.0.113.7", **form):
    request = RequestFactory().generic(method, path, REMOTE_ADDR=address)
    if form:
        request = RequestFactory().post(
            path, form, content_type="application/json", REMOTE_ADDR=address
        )
    client = client_of(request)
    return demand_of(request, client, principal_of(request, client), rules, mode)


def keys(demand):
    return [bucket.key.partition(":limit:")[2] for bucket in demand.buckets]


def test_a_caller_of_a_route_asks_for_the_same_again():
    rules = Rules([MINUTE, SEARCH])

    assert ask(rules, "/search") is ask(rules, "/search")


@pytest.mark.parametrize(
    "other",
    [
        {"path": "/y"},
        {"method": "POST"},
        {"mode": "log_only"},
        {"address": "203.0.113.8"},
    ],
)
def test_whatever_differs_asks_for_something_else(other):
    rules = Rules([MINUTE])

    assert ask(rules, **other) is not ask(rules)


def test_other_rules_know_nothing_of_what_was_kept():
    first = ask(Rules([MINUTE]))

    second = ask(Rules([MINUTE, SEARCH], [Weight("GET", "/x", 3)]))

    assert [bucket.cost for bucket in first.buckets] == [1]
    assert [bucket.cost for bucket in second.buckets] == [3]


def test_head_asks_for_what_get_does():
    rules = Rules([SEARCH])

    assert ask(rules, "/search", "HEAD") is ask(rules, "/search")


def test_each_address_has_buckets_of_its_own():
    rules = Rules([MINUTE])

    assert keys(ask(rules)) == ["{ip:203.0.113.7}:minute"]
    assert keys(ask(rules, address="203.0.113.8")) == ["{ip:203.0.113.8}:minute"]


def test_a_try_to_sign_in_is_never_remembered():
    rules = Rules([LOGIN])

    ann = ask(rules, "/login", email="ann@example.com")
    bob = ask(rules, "/login", email="bob@example.com")

    assert keys(ann) != keys(bob)
    assert ann.attempt is not None


def test_a_ticket_that_is_not_ours_is_counted_for_nobody():
    rules = Rules([MINUTE, LOGIN])

    demand = ask(rules, "/login", ticket="forged")

    assert keys(demand) == ["{ip:203.0.113.7}:minute"]
    assert demand.attempt is None


def test_dark_policies_are_counted_but_refuse_and_tell_nothing():
    dark = Policy("dark", 1, 60, is_enforced=False)

    plan = ask(Rules([dark, MINUTE])).plan

    assert plan.refuses == [False, True]
    assert plan.is_shown == [False, True]
    assert plan.policy_text == '"minute";q=20;w=60'


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(demands, "MOST_KEPT", 10)
    rules = Rules([MINUTE])

    for number in range(50):
        ask(rules, f"/{number}")

    assert len(rules.memory) <= 10


def test_long_paths_are_not_kept():
    rules = Rules([MINUTE])

    ask(rules, "/" + LONGEST_PATH_KEPT * "x")

    assert not rules.memory
