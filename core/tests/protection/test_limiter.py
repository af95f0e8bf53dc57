"""The limiter's own decisions, with Valkey out and so without waiting for it."""

import pytest
from django.test import RequestFactory
from structlog.testing import capture_logs

from core.exceptions import QuotaExceededError
from core.protection import limiter
from core.protection.addresses import client_of
from core.protection.attempts import Attempt
from core.protection.counters import Counters
from core.protection.line import Line
from core.protection.policies import Policy, Weight
from core.protection.principals import Principal
from core.protection.rules import Rulebook, Rules
from core.protection.sparing import SparingBuckets
from core.protection.token_bucket import Bucket, LocalBuckets, SharedBuckets


class Clock:
    now = 3.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def counted(monkeypatch):
    counts = Counters(clock=lambda: 0.0)
    monkeypatch.setattr(limiter, "counters", counts)
    return counts


@pytest.fixture
def world(monkeypatch, settings, clock, counted):
    """Give the limiter rules of the test's own, and a clock."""
    settings.RATE_LIMIT_MODE = "enforce"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.WEB_PROCESSES = 2
    monkeypatch.setattr(limiter, "local", LocalBuckets(clock=clock))
    monkeypatch.setattr(limiter, "shared", SparingBuckets(SharedBuckets(Line().call)))

    def use(*policies, weights=()):
        rules = Rules(policies, weights)
        monkeypatch.setattr(Rulebook, "current", lambda self: rules)

    return use


def ask(path="/api/v1/products", method="GET", **meta):
    meta = {"REMOTE_ADDR": "203.0.113.7"} | meta
    request = RequestFactory().generic(method, path, **meta)
    return request, limiter.judge(request, client_of(request))


def judge(path="/api/v1/products", method="GET", **meta):
    return ask(path, method, **meta)[1]


def counts(counted):
    [of_slot] = counted._counts.values()  # noqa: SLF001 -- read before it is handed in
    return dict(of_slot)


def test_without_a_policy_nothing_is_said(world):
    world()

    verdict = judge()

    assert (verdict.error, verdict.headers) == (None, {})


def test_an_admitted_request_hears_what_is_left(world, counted):
    world(Policy("burst", 5, 10), Policy("minute", 20, 60))

    verdict = judge()

    assert verdict.error is None
    assert verdict.headers == {
        "RateLimit-Policy": '"burst";q=5;w=10, "minute";q=20;w=60',
        "RateLimit": '"burst";r=4;t=2, "minute";r=19;t=3',
    }
    assert counts(counted) == {"fallback": 1, "requests|anonymous|admitted": 1}


def test_a_refused_request_hears_of_what_it_violated(world, counted, clock):
    world(Policy("burst", 2, 10), Policy("minute", 20, 60), Policy("hour", 2, 3600))
    judge()
    judge()

    verdict = judge()

    assert verdict.error.extensions == {"violated_policies": ["burst", "hour"]}
    assert verdict.error.retry_after == 1800
    assert verdict.error.detail == "Used up: burst, hour. Wait 1800 s."
    assert verdict.headers == {
        "RateLimit-Policy": '"burst";q=2;w=10, "hour";q=2;w=3600',
        "RateLimit": '"burst";r=0;t=5, "hour";r=0;t=1800',
    }
    assert counts(counted) == {
        "fallback": 3,
        "requests|anonymous|admitted": 2,
        "requests|anonymous|refused": 1,
        "refusals|burst|true": 1,
        "refusals|hour|true": 1,
        "near|burst": 2,
        "near|hour": 2,
    }


def test_a_policy_that_is_tried_out_refuses_nobody_and_is_not_shown(world, counted):
    world(Policy("dark", 1, 3600, is_enforced=False), Policy("minute", 20, 60))
    judge()

    verdict = judge()

    assert verdict.error is None
    assert verdict.headers == {
        "RateLimit-Policy": '"minute";q=20;w=60',
        "RateLimit": '"minute";r=18;t=3',
    }
    assert counts(counted)["requests|anonymous|would_refuse"] == 1
    assert counts(counted)["refusals|dark|false"] == 1


def test_only_whoever_would_be_refused_is_logged(world):
    world(Policy("dark", 1, 3600, is_enforced=False), Policy("minute", 20, 60))
    with capture_logs() as logs:
        judge()
        judge()

    logged = [log["policies"] for log in logs if "policies" in log]
    assert logged == [["dark"]]


def test_only_dark_policies_show_nothing(world):
    world(Policy("dark", 1, 3600, is_enforced=False))

    assert judge().headers == {}


def test_log_only_makes_every_policy_dark(world, settings):
    settings.RATE_LIMIT_MODE = "log_only"
    world(Policy("minute", 1, 3600))
    judge()

    assert (judge().error, judge().headers) == (None, {})


def test_a_heavy_route_takes_its_weight_from_the_general_ones_only(world):
    world(
        Policy("minute", 20, 60),
        Policy("search", 20, 60, path="/api/v1/search"),
        weights=[Weight("GET", "/api/v1/search", 3)],
    )

    headers = judge("/api/v1/search").headers

    assert headers["RateLimit"] == '"minute";r=17;t=3, "search";r=19;t=3'


def test_head_counts_as_get(world):
    world(Policy("reads", 5, 60, method="GET"))
    judge()

    assert judge(method="HEAD").headers["RateLimit"] == '"reads";r=3;t=12'


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST", "PUT"])
def test_no_other_method_counts_as_get(world, method):
    world(Policy("reads", 5, 60, method="GET"), Policy("own", 5, 60, method=method))

    assert judge(method=method).headers["RateLimit"] == '"own";r=4;t=12'


def test_callers_draw_on_buckets_of_their_own(world):
    world(Policy("minute", 1, 3600))
    assert judge().error is None

    assert judge(REMOTE_ADDR="203.0.113.8").error is None
    assert judge().error is not None


def test_a_policy_per_address_counts_by_it(world):
    world(Policy("address", 2, 3600, per="ip"), Policy("minute", 5, 3600))
    judge()
    judge()

    refused = judge()

    assert refused.error.extensions["violated_policies"] == ["address"]


def test_a_policy_per_account_needs_one(world):
    world(Policy("login", 1, 3600, per="account"))

    assert judge().headers == {}


def test_strict_ones_grant_the_share_of_a_process(world):
    world(Policy("login", 6, 3600, is_strict=True))

    assert judge().headers["RateLimit"].startswith('"login";r=2;')
    assert [judge().error is None for _ in range(3)] == [True, True, False]


def test_a_share_is_never_less_than_one_request(world, settings):
    settings.WEB_PROCESSES = 8

    levels = limiter.take([Bucket("k", 4, 8, cost=2, is_strict=True)])

    assert [(level.remaining, level.is_short) for level in levels] == [(0, False)]
    [short] = limiter.take([Bucket("k", 4, 8, cost=2, is_strict=True)])
    assert short.wait_seconds == pytest.approx(2)


def test_a_share_is_a_whole_number_of_requests(world):
    [level] = limiter.take([Bucket("k", 5, 8, is_strict=True)])

    assert level.remaining == 1


def test_general_ones_are_granted_whole(world):
    [level] = limiter.take([Bucket("k", 4, 8)])

    assert level.remaining == 3


def known(request):
    """Tell who calls, for the test of callers that share an address."""
    user = request.META.get("HTTP_X_USER")
    return Principal("user", user, "customer") if user else None


def test_users_share_what_is_per_address_and_nothing_else(world, settings):
    settings.RATE_LIMIT_PRINCIPALS = [f"{__name__}.known"]
    world(Policy("address", 3, 3600, per="ip"), Policy("minute", 2, 3600))
    users = ("ann", "ann", "ben", "cid")

    refusals = [judge(HTTP_X_USER=user).error for user in users]

    assert refusals[:3] == [None] * 3
    assert refusals[3].extensions["violated_policies"] == ["address"]
    elsewhere = judge(HTTP_X_USER="ann", REMOTE_ADDR="203.0.113.9").error
    assert elsewhere.extensions["violated_policies"] == ["minute"]


LOGIN = "/api/v1/auth/login"
ON_LOGIN = {"method": "POST", "path": LOGIN}


def attempted(request):
    """Tell who is to be signed in, for the tests of attempts."""
    account = request.META.get("HTTP_X_ACCOUNT")
    device = request.META.get("HTTP_X_DEVICE", "")
    return Attempt(account, device) if account else None


@pytest.fixture
def login(world, settings):
    settings.RATE_LIMIT_ATTEMPT = f"{__name__}.attempted"
    settings.RATE_LIMIT_PRINCIPALS = [f"{__name__}.known"]
    return world


def try_login(account, address="203.0.113.7", **meta):
    """Try to sign in; return what refused it."""
    meta |= {"HTTP_X_ACCOUNT": account, "REMOTE_ADDR": address}
    error = judge(LOGIN, "POST", **meta).error
    return error.extensions["violated_policies"] if error else []


def test_attempts_at_an_account_count_wherever_they_come_from(login):
    login(Policy("account", 2, 3600, per="account", **ON_LOGIN))
    addresses = ("203.0.113.1", "203.0.113.2", "203.0.113.3")

    refusals = [try_login("ann", address) for address in addresses]

    assert refusals == [[], [], ["account"]]
    assert try_login("ben", addresses[0]) == []


def test_attempts_per_pair_count_for_one_address_at_one_account(login):
    login(Policy("pair", 1, 3600, per="pair", **ON_LOGIN))
    tries = [("ann", "203.0.113.1"), ("ann", "203.0.113.2"), ("ben", "203.0.113.1")]

    assert [try_login(*who) for who in tries] == [[], [], []]
    assert [try_login(*who) for who in tries] == [["pair"]] * 3


def test_attempts_leave_other_policies_their_owners(login):
    login(
        Policy("account", 9, 3600, per="account", **ON_LOGIN),
        Policy("address", 3, 3600, per="ip", **ON_LOGIN),
        Policy("caller", 2, 3600, **ON_LOGIN),
    )
    users = ("ann", "ann", "ann", "ben", "cid")

    refusals = [try_login(f"of {user}", HTTP_X_USER=user) for user in users]

    assert refusals == [[], [], ["caller"], [], ["address"]]
    assert try_login("of ann", "203.0.113.9", HTTP_X_USER="ann") == ["caller"]
    assert try_login("of ann", "203.0.113.9", HTTP_X_USER="ben") == []


def test_how_often_others_tried_an_account_is_not_shown(login):
    login(
        Policy("account", 5, 3600, per="account", **ON_LOGIN),
        Policy("pair", 5, 3600, per="pair", **ON_LOGIN),
        Policy("address", 5, 3600, per="ip", **ON_LOGIN),
    )

    headers = judge(LOGIN, "POST", HTTP_X_ACCOUNT="ann").headers

    assert headers["RateLimit-Policy"] == '"address";q=5;w=3600'


def test_who_names_no_account_is_counted_by_the_other_policies(login):
    login(
        Policy("account", 1, 3600, per="account", **ON_LOGIN),
        Policy("pair", 1, 3600, per="pair", **ON_LOGIN),
        Policy("address", 2, 3600, per="ip", **ON_LOGIN),
    )

    assert [try_login("") for _ in range(3)] == [[], [], ["address"]]


def test_a_known_device_has_quotas_of_its_own_on_the_route(login):
    login(
        Policy("account", 1, 3600, per="account", **ON_LOGIN),
        Policy("pair", 1, 3600, per="pair", **ON_LOGIN),
        Policy("address", 1, 3600, per="ip", **ON_LOGIN),
    )
    assert try_login("ann") == []
    all_three = ["account", "pair", "address"]
    assert try_login("ann") == all_three

    devices = ("phone", "phone", "laptop")

    refusals = [try_login("ann", HTTP_X_DEVICE=device) for device in devices]
    assert refusals == [[], all_three, []]
    # Where it is makes no difference.
    assert try_login("ann", "203.0.113.9", HTTP_X_DEVICE="phone") == all_three


def test_a_known_device_draws_on_what_is_general_as_everybody(login):
    login(
        Policy("account", 9, 3600, per="account", **ON_LOGIN),
        Policy("minute", 2, 3600),
    )

    refusals = [try_login("ann", HTTP_X_DEVICE=d) for d in ("phone", "tv", "laptop")]

    assert refusals == [[], [], ["minute"]]


def test_a_device_counts_only_where_accounts_are_counted(login):
    login(Policy("address", 1, 3600, per="ip", **ON_LOGIN))

    assert try_login("ann", HTTP_X_DEVICE="phone") == []
    assert try_login("ann", HTTP_X_DEVICE="laptop") == ["address"]


def ask_login(**meta):
    return ask(LOGIN, "POST", **{"HTTP_X_ACCOUNT": "ann"} | meta)


def test_the_owner_gets_back_what_the_try_took_of_the_routes_quotas(login):
    login(
        Policy("account", 3, 3600, per="account", **ON_LOGIN),
        Policy("address", 5, 3600, per="ip", **ON_LOGIN),
        Policy("minute", 9, 3600),
    )
    for _ in range(2):
        ask_login()
    request, _ = ask_login()

    limiter.give_back(request)
    # Only once.
    limiter.give_back(request)

    _, verdict = ask_login()
    assert verdict.headers["RateLimit"] == '"minute";r=5;t=400, "address";r=2;t=720'
    assert try_login("ann") == ["account"]


def test_a_refused_try_has_nothing_to_get_back(login):
    login(Policy("account", 1, 3600, per="account", **ON_LOGIN))
    ask_login()
    request, verdict = ask_login()
    assert verdict.error is not None

    limiter.give_back(request)

    assert try_login("ann") == ["account"]


def test_what_is_no_try_to_sign_in_has_nothing_to_get_back(login):
    login(Policy("address", 1, 3600, per="ip", **ON_LOGIN))
    request, _ = ask_login()

    limiter.give_back(request)

    assert try_login("ann") == ["address"]


# A second door to the same place


def knock(principal=None, attempt=None, **meta):
    """Ask for a page that counts as the route; tell which policies refuse it."""
    request = RequestFactory().post(
        "/elsewhere/", **{"REMOTE_ADDR": "203.0.113.7"} | meta
    )
    try:
        limiter.count_as(request, LOGIN, principal=principal, attempt=attempt)
    except QuotaExceededError as error:
        return error.extensions["violated_policies"]
    return []


def test_a_second_door_draws_on_the_same_buckets(login, counted):
    login(Policy("address", 2, 3600, per="ip", **ON_LOGIN), Policy("minute", 1, 60))
    assert try_login("ann") == []

    assert [knock(), knock()] == [[], ["address"]]
    # As requests they were counted where they came in.
    assert counts(counted) == {
        "fallback": 3,
        "requests|anonymous|admitted": 1,
        "near|minute": 1,
        "near|address": 2,
        "refusals|address|true": 1,
    }


def test_a_second_door_hears_who_calls_and_for_whom(login):
    login(
        Policy("account", 1, 3600, per="account", **ON_LOGIN),
        Policy("caller", 2, 3600, **ON_LOGIN),
    )
    ann = Principal("user", "ann", "customer")
    assert try_login("of ann", HTTP_X_USER="ann") == []

    assert knock(ann, Attempt("of ann")) == ["account"]
    assert knock(ann, Attempt("of ben")) == []
    assert knock(ann, Attempt("of cid")) == ["caller"]
    # Who the request says he is, where the view knows no better.
    assert knock(HTTP_X_USER="ann") == ["caller"]
    assert knock() == []


def test_a_door_that_no_policy_is_about_counts_nothing(login, counted):
    login(Policy("minute", 1, 3600))

    assert [knock() for _ in range(3)] == [[], [], []]
    assert not counted._counts  # noqa: SLF001 -- read before it is handed in


@pytest.mark.parametrize(
    ("mode", "refused"), [("enforce", ["address"]), ("log_only", []), ("off", [])]
)
def test_a_second_door_follows_the_switch(login, settings, counted, mode, refused):
    settings.RATE_LIMIT_MODE = mode
    login(Policy("address", 1, 3600, per="ip", **ON_LOGIN))

    assert [knock(), knock()] == [[], refused]
    assert bool(counted._counts) is (mode != "off")  # noqa: SLF001 -- as above
