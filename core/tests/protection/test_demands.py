"""Whose buckets a request draws on is worked out once, and never for somebody else."""

import pytest
import redis
from django.test import RequestFactory

from core.protection import demands
from core.protection.addresses import client_of
from core.protection.demands import demand_of
from core.protection.policies import Policy, Weight
from core.protection.principals import Principal, visitor
from core.protection.rules import Rules

PRODUCTS = "/api/v1/products"
ANN = Principal("user", "ann", "customer")
POLICIES = (
    Policy("minute", 20, 60),
    Policy("address", 50, 60, per="ip"),
    Policy("writes", 5, 60, method="POST"),
    Policy("products", 9, 60, path=PRODUCTS),
)


def ask(
    rules,
    path=PRODUCTS,
    *,
    method="GET",
    address="203.0.113.7",
    principal=None,
    mode="enforce",
):
    request = RequestFactory().generic(method, path, REMOTE_ADDR=address)
    client = client_of(request)
    return demand_of(request, client, principal or visitor(client), rules, mode)


def keys(demand):
    """Name the buckets as ``owner policy``."""
    parts = [bucket.key.partition("{")[2].partition("}:") for bucket in demand.buckets]
    return [f"{owner} {name}" for owner, _, name in parts]


def test_a_demand_names_a_bucket_for_each_policy():
    rules = Rules(POLICIES, [Weight("GET", PRODUCTS, 3)])

    demand = ask(rules, principal=ANN)

    assert keys(demand) == [
        "user:ann minute",
        "ip:203.0.113.7 address",
        "user:ann products",
    ]
    assert [bucket.cost for bucket in demand.buckets] == [3, 3, 1]
    assert demand.plan.policy_text == (
        '"minute";q=20;w=60, "address";q=50;w=60, "products";q=9;w=60'
    )


def test_all_buckets_of_one_principal_lie_in_one_slot_of_a_cluster():
    own = Policy("own", 500, 60, role="customer", principal=ANN.name)
    general = (POLICIES[0], *POLICIES[2:])
    for rules in (Rules(general), Rules((*general, own))):
        for principal in (ANN, None):
            demand = ask(rules, principal=principal)

            slots = {redis.crc.key_slot(b.key.encode()) for b in demand.buckets}
            assert (len(demand.buckets), len(slots)) == (2, 1)


def test_the_same_question_is_answered_from_memory():
    rules = Rules(POLICIES)

    assert ask(rules) is ask(rules)


@pytest.mark.parametrize(
    "other",
    [
        {"path": "/api/v1/search"},
        {"method": "POST"},
        {"address": "203.0.113.8"},
        {"principal": ANN},
        {"mode": "log_only"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_makes_a_difference_is_told_apart(other):
    rules = Rules(POLICIES)
    first = ask(rules)

    second = ask(rules, **other)

    assert second == ask(Rules(POLICIES), **other)
    assert (keys(second), second.plan.refuses) != (keys(first), first.plan.refuses)
    assert ask(rules) is first


def test_one_caller_at_two_addresses_has_a_bucket_at_each():
    rules = Rules(POLICIES)

    here, there = (
        keys(ask(rules, principal=ANN, address=f"203.0.113.{n}")) for n in (1, 2)
    )

    assert (here[1], there[1]) == ("ip:203.0.113.1 address", "ip:203.0.113.2 address")


def test_callers_of_a_route_share_a_plan_but_not_one_who_has_limits_of_his_own():
    own = Policy("own", 500, 60, role="customer", principal=ANN.name)
    rules = Rules((*POLICIES, own))
    ben, cid = (Principal("user", name, "customer") for name in ("ben", "cid"))

    asked = [ask(rules, principal=caller) for caller in (ben, ANN, cid)]

    assert keys(asked[1]) == [
        "user:ann own",
        "ip:203.0.113.7 address",
        "user:ann products",
    ]
    assert keys(asked[2])[0] == "user:cid minute"
    assert asked[0].plan is asked[2].plan


@pytest.mark.parametrize(
    ("length", "is_kept"), [(199, True), (200, True), (201, False)]
)
def test_long_paths_are_not_remembered(length, is_kept):
    rules = Rules(POLICIES)

    ask(rules, "/".ljust(length, "x"))

    assert bool(rules.memory) is is_kept


def test_the_memory_is_bounded_and_begins_anew(monkeypatch):
    monkeypatch.setattr(demands, "MOST_KEPT", 4)
    rules = Rules(POLICIES)

    kept = []
    for n in range(8):
        ask(rules, address=f"203.0.113.{n}")
        kept.append(len(rules.memory))

    # The plan and one demand, two, three; then all anew.
    assert kept == [2, 3, 4, 1, 3, 4, 1, 3]


@pytest.mark.parametrize(
    # Threads may put in one too many, which must not end the bound.
    ("before", "after"),
    [(9_998, 10_000), (9_999, 1), (10_000, 2), (10_003, 2)],
)
def test_ten_thousand_are_remembered(before, after):
    rules = Rules(POLICIES)
    rules.memory.update(dict.fromkeys(range(before)))

    ask(rules)

    assert len(rules.memory) == after


def test_a_role_and_a_mode_say_what_refuses():
    policies = (
        Policy("all", 5, 60),
        Policy("staff", 5, 60, role="staff"),
        Policy("dark", 5, 60, is_enforced=False),
    )

    demand = ask(Rules(policies), principal=ANN)

    assert [bucket.refuses for bucket in demand.buckets] == [True, False]
    assert demand.plan.counts["refused"] == "requests|customer|refused"
    dark = ask(Rules(policies), principal=ANN, mode="log_only")
    assert [bucket.refuses for bucket in dark.buckets] == [False, False]
