"""Limits as a client meets them, on real routes."""

import re
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from accounts.tests.factories import make_tokens
from core.models import AddressBlock, AuditEntry, RateLimitPolicy, RouteWeight
from core.protection import counters

PRODUCTS = "/api/v1/products"
LOGIN = "/api/v1/auth/login"
ALICE = {"email": "alice@example.com", "password": "wrong"}


def ask(api, path=PRODUCTS, *, address="203.0.113.7", **headers):
    return api.get(path, headers={"X-Forwarded-For": address} | headers)


def statuses(api, count, *args, **kwargs):
    return [ask(api, *args, **kwargs).status_code for _ in range(count)]


def sign_in(api, *, address, **body):
    headers = {"X-Forwarded-For": address}
    return api.post(LOGIN, ALICE | body, headers=headers).status_code


def test_the_quota_passes_and_the_next_is_refused(api, limits):
    limits(quota=3, window_seconds=3600)

    assert statuses(api, 4) == [200, 200, 200, 429]


def test_a_counted_answer_says_what_is_left(api, limits):
    limits("burst", quota=60, window_seconds=10)
    limits("minute", quota=300, window_seconds=60)

    response = ask(api)

    policy = response.headers["RateLimit-Policy"]
    assert policy == '"burst";q=60;w=10, "minute";q=300;w=60'
    assert response.headers["RateLimit"] == '"burst";r=59;t=1, "minute";r=299;t=1'
    assert "Retry-After" not in response.headers


def test_a_refusal_names_what_was_violated_and_when_to_come_back(api, limits):
    limits("burst", quota=1, window_seconds=100)
    limits("minute", quota=300, window_seconds=60)
    ask(api)

    response = ask(api)

    problem = response.json()
    assert response.status_code == 429
    assert problem["type"].endswith("/problems/quota-exceeded")
    assert problem["violated_policies"] == ["burst"]
    assert response.headers["RateLimit-Policy"] == '"burst";q=1;w=100'
    wait = int(re.fullmatch(r'"burst";r=0;t=(\d+)', response.headers["RateLimit"])[1])
    assert 90 < wait <= int(response.headers["Retry-After"]) <= 100


def test_a_refused_request_takes_nothing_from_the_other_policies(api, limits):
    limits("burst", quota=1, window_seconds=3600)
    wide = limits("minute", quota=10, window_seconds=3600)
    statuses(api, 5)
    wide.refresh_from_db()
    type(wide).objects.filter(name="burst").delete()

    assert ask(api).headers["RateLimit"].startswith('"minute";r=8;')


def test_addresses_and_users_have_quotas_of_their_own(api, api_as, limits, customer):
    limits(quota=1)

    assert statuses(api, 2) == [200, 429]
    assert statuses(api, 2, address="203.0.113.8") == [200, 429]
    # Whoever signs in counts as himself, wherever he is.
    assert statuses(api_as(customer), 2) == [200, 429]
    assert ask(api_as(customer), address="203.0.113.9").status_code == 429


def test_one_ipv6_customer_is_one_client(api, limits):
    limits(quota=1)

    assert ask(api, address="2001:db8:1:2::1").status_code == 200
    assert ask(api, address="2001:db8:1:2::2").status_code == 429
    assert ask(api, address="2001:db8:1:3::1").status_code == 200


def test_a_claimed_address_left_of_our_proxy_changes_nothing(api, limits):
    limits(quota=1)

    assert ask(api, address="9.9.9.9, 203.0.113.7").status_code == 200
    assert ask(api, address="8.8.8.8, 203.0.113.7").status_code == 429


def test_a_token_that_is_not_ours_buys_no_quota(api, limits, customer):
    limits(quota=1)
    forged = make_tokens(customer).access[:-4] + "AAAA"

    assert ask(api).status_code == 200
    for token in (forged, "x", "é"):
        assert ask(api, Authorization=f"Bearer {token}").status_code == 429


def test_each_role_has_policies_of_its_own(api, api_as, limits, customer, staff):
    limits("minute", role="anonymous", quota=1)
    limits("minute", role="customer", quota=2)
    limits("minute", role="staff", quota=3)
    boss = staff("support")
    token = make_tokens(boss).access

    assert statuses(api, 2) == [200, 429]
    assert statuses(api_as(customer), 3) == [200, 200, 429]
    shown = ask(api, Authorization=f"Bearer {token}").headers["RateLimit-Policy"]
    assert shown == '"minute";q=3;w=3600'


def test_a_policy_of_a_route_counts_that_route_alone(api, limits):
    limits("reads", quota=1, method="GET", path="/api/v1/products/{key}")

    assert statuses(api, 2, "/api/v1/products/a") == [404, 429]
    assert ask(api, "/api/v1/products/b").status_code == 429
    assert "RateLimit" not in ask(api).headers
    assert ask(api, "/api/v1/products/b/variants").status_code != 429


def test_a_costly_route_takes_more(api, limits):
    limits(quota=5)
    RouteWeight.objects.create(method="GET", path="/api/v1/search", cost=2)

    assert statuses(api, 3, "/api/v1/search?q=a") == [200, 200, 429]
    assert ask(api).status_code == 200


def test_addresses_that_lead_nowhere_count_as_well(api, limits):
    limits(quota=1)

    assert statuses(api, 2, "/api/v1/nothing") == [404, 429]
    assert ask(api, "/problems").status_code == 429


def test_health_probes_are_never_refused(api, limits):
    limits(quota=1)
    AddressBlock.objects.create(network="203.0.113.0/24", reason="test")

    assert statuses(api, 3, "/health/live") == [200, 200, 200]
    assert "RateLimit" not in ask(api, "/health/live").headers


def test_login_is_limited_by_address_and_by_account(api, limits):
    path = {"method": "POST", "path": LOGIN}
    limits("login", per="ip", quota=2, **path)
    limits("login-account", per="account", quota=3, **path)

    first = [sign_in(api, address="203.0.113.1") for _ in range(3)]
    # From elsewhere, to the same account in other letters.
    second = [
        sign_in(api, address="203.0.113.2", email=" Alice@Example.COM ")
        for _ in range(2)
    ]
    third = sign_in(api, address="203.0.113.3", email="bob@example.com")

    assert first == [401, 401, 429]
    assert second == [401, 429]
    assert third == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"{", b'{"email": 5}', b'{"email": "\xff"}', b"x" * 70_000],
)
def test_a_login_that_names_nobody_is_still_counted_by_address(api, limits, body):
    limits("login", per="ip", quota=1, method="POST", path=LOGIN)
    limits("login-account", per="account", quota=9, method="POST", path=LOGIN)

    answers = [
        api.generic("POST", LOGIN, body, content_type="application/json").status_code
        for _ in range(2)
    ]

    assert 400 <= answers[0] < 429
    assert answers[1] == 429


def test_the_admins_login_is_limited_too(client, limits):
    limits("admin-login", per="account", quota=1, method="POST", path="/admin/login/")
    form = {"username": "boss@example.com", "password": "wrong"}

    answers = [client.post("/admin/login/", form).status_code for _ in range(2)]

    assert answers == [200, 429]


def test_a_dark_policy_only_counts(api, limits):
    limits("dark", quota=1, is_enforced=False)
    limits("real", quota=3)

    responses = [ask(api) for _ in range(4)]

    assert [r.status_code for r in responses] == [200, 200, 200, 429]
    assert responses[0].headers["RateLimit-Policy"] == '"real";q=3;w=3600'
    counted = counters.totals()
    assert counted["refusals|dark|false"] == 3
    assert counted["refusals|real|true"] == 1
    assert counted["requests|anonymous|would_refuse"] == 2
    assert counted["requests|anonymous|refused"] == 1


def test_log_only_refuses_nobody(api, limits, settings):
    settings.RATE_LIMIT_MODE = "log_only"
    limits(quota=1)
    AddressBlock.objects.create(network="203.0.113.7/32", reason="test")

    response = [ask(api) for _ in range(3)][-1]

    assert response.status_code == 200
    assert "RateLimit" not in response.headers
    assert counters.totals()["refusals|minute|false"] == 2
    assert counters.totals()["blocked|false"] == 3


def test_off_does_nothing(api, limits, settings):
    settings.RATE_LIMIT_MODE = "off"
    limits(quota=1)
    AddressBlock.objects.create(network="203.0.113.7/32", reason="test")

    assert statuses(api, 3) == [200, 200, 200]
    assert counters.totals() == {"answers|200|none": 3}


def test_near_the_limit_is_counted_from_four_fifths_on(api, limits):
    limits(quota=10)

    statuses(api, 7)
    before = counters.totals().get("near|minute", 0)
    statuses(api, 1)

    assert before == 0
    assert counters.totals()["near|minute"] == 1


def test_metrics_show_what_limits_did(api, limits, settings):
    limits(quota=1)
    statuses(api, 2)
    settings.RATE_LIMIT_MODE = "off"

    shown = api.get("/metrics").content.decode()

    name = "shopwright_rate_limit"
    refused = f'{name}_requests_total{{outcome="refused",role="anonymous"}} 1.0'
    assert refused in shown
    assert f'{name}_refusals_total{{enforced="true",policy="minute"}} 1.0' in shown


def test_a_change_in_the_table_holds_for_the_next_request(api, limits):
    policy = limits(quota=1)
    assert statuses(api, 2) == [200, 429]

    policy.delete()

    assert ask(api).status_code == 200


def test_a_refusal_may_be_read_by_a_browsers_script(api, limits, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
    limits(quota=1)

    answers = [ask(api, Origin="https://shop.example") for _ in range(2)]

    assert answers[1].status_code == 429
    allowed = answers[1].headers["Access-Control-Allow-Origin"]
    assert allowed == "https://shop.example"


@pytest.mark.parametrize(
    ("network", "status"),
    [
        ("203.0.113.7/32", 403),
        ("203.0.113.7", 403),
        ("203.0.112.0/23", 403),
        ("203.0.113.8/32", 200),
        ("2001:db8::/32", 200),
    ],
)
def test_a_blocked_network_is_let_in_nowhere(api, limits, network, status):
    AddressBlock.objects.create(network=network, reason="Scraping")

    assert ask(api).status_code == status
    assert ask(api, address="203.0.100.1").status_code == 200


def test_a_block_says_until_when_and_not_why(api, limits):
    ends_at = timezone.now() + timedelta(hours=1)
    AddressBlock.objects.create(
        network="2001:db8::/32", reason="Secret", ends_at=ends_at
    )

    response = ask(api, address="2001:db8::5")

    problem = response.json()
    assert response.status_code == 403
    assert problem["code"] == "address_blocked"
    assert problem["until"].startswith(ends_at.isoformat()[:19])
    assert b"Secret" not in response.content


def test_a_block_ends_by_itself(api, limits):
    AddressBlock.objects.create(
        network="203.0.113.7", reason="x", ends_at=timezone.now() - timedelta(seconds=1)
    )

    assert ask(api).status_code == 200


def test_whoever_goes_on_though_refused_is_shut_out(api, limits, settings):
    settings.BLOCK_AFTER_REFUSALS = 3
    limits(quota=1)

    assert statuses(api, 6) == [200, 429, 429, 429, 403, 403]
    block = AddressBlock.objects.get()
    assert (block.network, block.source) == ("203.0.113.7/32", "rule")
    assert timedelta(minutes=14) < block.ends_at - timezone.now()
    assert AuditEntry.objects.get().action == "core.addressblock_added"
    assert ask(api, address="203.0.113.8").status_code == 200


def test_of_ipv6_the_64_is_shut_out(api, limits, settings):
    settings.BLOCK_AFTER_REFUSALS = 1
    limits(quota=1)

    assert statuses(api, 2, address="2001:db8:1:2::1") == [200, 429]

    assert AddressBlock.objects.get().network == "2001:db8:1:2::/64"
    assert ask(api, address="2001:db8:1:2:ffff::9").status_code == 403
    assert ask(api, address="2001:db8:1:3::1").status_code == 200


def test_refusals_count_towards_a_block_for_the_window_that_the_first_opens(
    api, limits, settings
):
    settings.BLOCK_AFTER_REFUSALS = 3
    settings.BLOCK_WINDOW_MINUTES = 2
    limits(quota=1)
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    key = f"{prefix}:limits:refusals:203.0.113.7"
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        statuses(api, 2)
        assert 0 < valkey.ttl(key) <= 120
        valkey.expire(key, 60)
        statuses(api, 1)
        assert 0 < valkey.ttl(key) <= 60
        # The window is over, so the next refusal is the first of another.
        valkey.delete(key)

    assert statuses(api, 2) == [429, 429]
    assert not AddressBlock.objects.exists()


@pytest.mark.parametrize(("after", "address"), [(2, "10.0.0.5"), (0, "203.0.113.7")])
def test_our_own_side_is_never_shut_out_by_rule(api, limits, settings, after, address):
    settings.BLOCK_AFTER_REFUSALS = after
    limits(quota=1)

    assert statuses(api, 5, address=address) == [200, 429, 429, 429, 429]
    assert not AddressBlock.objects.exists()


@pytest.mark.parametrize(
    ("name", "per", "quota", "seconds"),
    [
        ("login", "ip", 5, 60),
        ("login-account", "account", 5, 60),
        ("password-reset", "account", 3, 3600),
        ("checkout", "principal", 20, 60),
    ],
)
def test_guessing_and_paying_are_limited_strictly_from_the_start(
    db, name, per, quota, seconds
):
    [policy] = RateLimitPolicy.objects.filter(name=name)

    assert (policy.per, policy.quota, policy.window_seconds) == (per, quota, seconds)
    assert policy.is_strict
    assert policy.is_enforced


def test_every_role_has_general_limits_of_its_own_from_the_start(db):
    general = RateLimitPolicy.objects.filter(path="*", per="principal")
    found = general.values_list("role", "name").order_by("role", "name")

    roles = ("anonymous", "customer", "key", "staff")
    assert list(found) == [(r, n) for r in roles for n in ("burst", "minute")]


@pytest.mark.parametrize(
    ("method", "path", "cost"),
    [
        ("GET", "/api/v1/search", 2),
        ("POST", "/api/v1/exports", 10),
        ("POST", "/api/v1/imports", 10),
    ],
)
def test_costly_routes_weigh_more_from_the_start(db, method, path, cost):
    assert RouteWeight.objects.get(method=method, path=path).cost == cost


def test_seeded_limits_leave_a_normal_shopper_alone(api, db, settings):
    settings.RATE_LIMIT_MODE = "enforce"
    settings.TRUSTED_PROXY_HOPS = 1

    assert set(statuses(api, 60, address="203.0.113.77")) == {200}
    answers = [sign_in(api, address="203.0.113.77") for _ in range(6)]
    # From one address at one account.
    assert answers == [401] * 3 + [429] * 3


def test_idempotency_keys_of_strangers_are_told_apart_behind_a_proxy(api, db, settings):
    settings.TRUSTED_PROXY_HOPS = 1

    def create(address):
        headers = {"X-Forwarded-For": address, "Idempotency-Key": "same"}
        return api.post("/api/v1/carts", {}, headers=headers).json()["id"]

    assert create("203.0.113.1") != create("203.0.113.2")
    assert create("203.0.113.1") == create("203.0.113.1")
