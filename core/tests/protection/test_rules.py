"""How changes reach the processes, and what becomes of them when they can't."""

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.test import RequestFactory
from django.utils import timezone

from core.models import AddressBlock, AuditEntry, RateLimitPolicy
from core.protection import rules
from core.protection.addresses import client_of
from core.protection.policies import Policy, Routes, compile_path
from core.protection.principals import Principal
from core.protection.rules import Blocks, Rulebook, Rules
from core.protection.services import limit_caller
from core.tests.processes import running, wait_until

WATCHER = """
import django; django.setup()
from django.conf import settings
settings.PROTECTION_REFRESH_SECONDS = 2
import time
from core.protection.rules import rulebook
while True:
    rules = rulebook.current()
    policies = rules.policies_for(role="anonymous", method="GET", path="/x")
    print(sorted((p.name, p.quota) for p in policies), bool(rules.blocks), flush=True)
    time.sleep(0.1)
"""


def client(address):
    return client_of(RequestFactory().get("/", REMOTE_ADDR=address))


@pytest.mark.django_db(transaction=True)
def test_every_process_follows_a_change_within_five_seconds():
    RateLimitPolicy.objects.all().delete()
    with running("-c", WATCHER) as one, running("-c", WATCHER) as two:
        processes = (one, two)
        for process in processes:
            assert process.stdout.readline() == b"[] False\n"

        RateLimitPolicy.objects.create(name="new", quota=7, window_seconds=60)
        AddressBlock.objects.create(network="203.0.113.0/24", reason="test")
        changed_at = timezone.now()

        for process in processes:
            wait_until(
                lambda p=process: p.stdout.readline() == b"[('new', 7)] True\n",
                seconds=5,
            )
        assert (timezone.now() - changed_at).total_seconds() < 5


@pytest.mark.django_db
def test_with_the_database_out_the_last_rules_hold(monkeypatch):
    book = Rulebook()
    book.refresh()
    known = book.current()

    def unreachable():
        raise OperationalError

    monkeypatch.setattr(rules, "load_rules", unreachable)
    book.refresh()

    assert book.current() is not None
    assert known.policies_for(role="anonymous", method="GET", path="/")
    assert book.current().policies_for(role="anonymous", method="GET", path="/")


@pytest.mark.django_db
def test_rules_that_are_read_again_unchanged_stay_with_what_was_worked_out():
    RateLimitPolicy.objects.create(name="new", quota=7, window_seconds=60)
    book = Rulebook()
    book.refresh()
    first = book.current()

    book.refresh()
    assert book.current() is first

    RateLimitPolicy.objects.update(quota=8)
    book.refresh()
    assert book.current() is not first


@pytest.mark.django_db
def test_rules_are_read_in_three_queries(django_assert_num_queries):
    for number in range(3):
        AddressBlock.objects.create(network=f"203.0.113.{number}", reason="test")

    with django_assert_num_queries(3):
        rules.load_rules()


def test_fifty_thousand_blocks_cost_a_look_up_what_one_does():
    networks = [(f"10.{n >> 8 & 255}.{n & 255}.0/24", None) for n in range(50_000)]
    blocks = Blocks([*networks, ("2001:db8::/32", None)])

    assert blocks.end_for(client("10.0.0.9")) == float("inf")
    assert blocks.end_for(client("2001:db8:5::1")) == float("inf")
    assert blocks.end_for(client("192.0.2.1")) is None
    # One step for each length of prefix that occurs.
    assert len(blocks) == 2


@pytest.mark.parametrize(
    ("path", "matching", "others"),
    [
        ("/api/v1/search", ["/api/v1/search"], ["/api/v1/search/", "/api/v1/searches"]),
        (
            "/c/{id}/items",
            ["/c/1/items"],
            ["/c/1/2/items", "/c//items", "/c/1/items/3"],
        ),
        ("/imports*", ["/imports", "/imports/1"], ["/import", "/x/imports"]),
        ("/a.b/{x}", ["/a.b/c"], ["/aXb/c"]),
    ],
)
def test_a_path_matches_whole_parts(path, matching, others):
    pattern = compile_path(path)

    assert all(pattern.fullmatch(text) for text in matching)
    assert not any(pattern.fullmatch(text) for text in others)


def test_routes_are_found_by_method_and_path():
    routes = Routes([("GET", "/a", 1), ("", "/a", 2), ("POST", "/{x}", 3)])

    assert routes.find("GET", "/a") == [1, 2]
    assert routes.find("POST", "/a") == [2, 3]
    assert routes.find("GET", "/b") == []


def test_made_up_methods_fill_no_memory():
    book = Rules([Policy("minute", 5, 60)])

    for number in range(1000):
        book.policies_for(role="anonymous", method=f"X{number}", path="/")

    assert len(book._of_role) == 0  # noqa: SLF001 -- the memory is what is tested


@pytest.mark.parametrize(
    "fields", [{"quota": 0}, {"window_seconds": 0}, {"burst": 0}], ids=str
)
@pytest.mark.django_db
def test_the_table_refuses_a_limit_that_could_never_be_kept(fields):
    given = {"name": "x", "quota": 1, "window_seconds": 1} | fields

    with pytest.raises(IntegrityError, match="core_ratelimitpolicy_positive"):
        RateLimitPolicy.objects.create(**given)


def test_a_callers_own_limit_stands_in_for_those_per_caller_of_its_role():
    book = Rules(
        [
            Policy("minute", 600, 60, role="key"),
            Policy("address", 3000, 60, per="ip"),
            Policy("checkout", 20, 60, path="/checkout"),
            Policy("own", 5, 60, role="key", principal="key:abc"),
        ]
    )

    def names(principal):
        found = book.policies_for(
            role="key", method="POST", path="/checkout", principal=principal
        )
        return [policy.name for policy in found]

    assert names("key:abc") == ["own", "address", "checkout"]
    assert names("key:other") == ["minute", "address", "checkout"]


@pytest.mark.django_db
def test_a_limit_of_one_caller_is_general_and_per_caller():
    for wrong in ({"path": "/checkout"}, {"per": "ip"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            RateLimitPolicy.objects.create(
                name="own", principal="key:abc", quota=1, window_seconds=60, **wrong
            )


@pytest.mark.django_db
def test_limit_caller_gives_changes_and_takes_back_one_limit():
    caller = Principal("key", "abc", "key")

    def quotas():
        own = RateLimitPolicy.objects.filter(principal="key:abc")
        return list(own.values_list("role", "quota", "window_seconds"))

    seen = []
    for per_minute in (10, 20, None, None):
        limit_caller(caller, per_minute=per_minute, actor_id=None)
        seen.append(quotas())

    assert seen == [[("key", 10, 60)], [("key", 20, 60)], [], []]
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert [action.rpartition("_")[2] for action in actions] == [
        "added",
        "changed",
        "deleted",
    ]
