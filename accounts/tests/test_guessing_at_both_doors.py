"""The API and the administration are two doors to one account: guesses add up."""

from collections import Counter

import pytest
from django.test import Client
from django.utils import timezone

from accounts.tests.authenticators import code_at
from accounts.tests.factories import PASSWORD, make_user
from accounts.tests.factors import enrol, make_ticket_of
from core.models import RateLimitPolicy
from core.protection import limiter
from core.protection.token_bucket import LocalBuckets

API, ADMIN = "/api/v1/auth/login", "/admin/login/"
CODE = "/api/v1/auth/mfa"
EMAIL = "boss@example.com"
WRONG = "not it"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("seeded_limits")]


@pytest.fixture(autouse=True)
def _still(monkeypatch):
    """Let no time pass, so that numbers are exact."""
    monkeypatch.setattr(limiter, "shared", LocalBuckets(clock=lambda: 0.0))


@pytest.fixture
def boss():
    return make_user(email=EMAIL, roles=("admin",))


def address(number):
    return {"X-Forwarded-For": f"203.0.{number // 250}.{number % 250 + 1}"}


def at_api(api, headers, password=WRONG, **more):
    return api.post(API, {"email": EMAIL, "password": password} | more, headers=headers)


def at_admin(client, headers, password=WRONG, **more):
    form = {"username": EMAIL, "password": password} | more
    return client.post(ADMIN, form, headers=headers)


def guesses_let_in(api, doors, where, count=40):
    """Guess at the doors in turn; return how many guesses were looked at."""
    client = Client()
    answers = Counter()
    for n in range(count):
        if doors[n % len(doors)] == "api":
            answers[at_api(api, where(n)).status_code] += 1
        else:
            answers[at_admin(client, where(n)).status_code] += 1
    assert answers.total() == answers[401] + answers[200] + answers[429]
    return answers[401] + answers[200]


@pytest.mark.parametrize(
    "doors", [("api",), ("admin",), ("api", "admin"), ("admin", "admin", "api")]
)
@pytest.mark.parametrize(
    ("where", "most"),
    [
        (address, 5),
        # Of one address at one account.
        (lambda _: address(1), 3),
    ],
)
def test_changing_doors_buys_no_guess(api, boss, doors, where, most):
    assert guesses_let_in(api, doors, where) == most


def test_one_address_at_many_accounts_is_stopped_at_both(api):
    client, here = Client(), address(1)

    answers = [
        at_api(api, here, email=f"person{n}@example.net")
        if n % 2
        else at_admin(client, here, username=f"person{n}@example.net")
        for n in range(20)
    ]

    assert [a.status_code for a in answers].count(429) == 15


def test_codes_add_up_too(api, boss):
    secret, _ = enrol(boss)
    client = Client()
    ticket = at_api(api, address(1), PASSWORD).json()["ticket"]
    page = at_admin(client, address(2), PASSWORD)
    form = {"ticket": page.context["form"].initial["ticket"], "code": "000000"}

    answers = []
    for n in range(3, 7):
        body = {"ticket": ticket, "code": "000000"}
        answers.append(api.post(CODE, body, headers=address(n)).status_code)
        answers.append(client.post(ADMIN, form, headers=address(n)).status_code)
    right = form | {"code": code_at(secret, timezone.now())}
    at_the_end = client.post(ADMIN, right, headers=address(99)).status_code

    assert answers == [401, 200, 401, 200, 401, 429, 429, 429]
    assert at_the_end == 429


def test_a_known_device_gets_in_at_both_while_the_account_is_attacked(api, boss):
    browser, home = Client(), {"X-Forwarded-For": "198.51.100.1"}
    device = at_api(api, home, PASSWORD).headers["Device-ID"]
    assert at_admin(browser, home, PASSWORD).status_code == 302
    browser.post("/admin/logout/")
    guesses_let_in(api, ("api", "admin"), address)

    unknown = [
        at_api(api, home, PASSWORD).status_code,
        at_admin(Client(), home, PASSWORD).status_code,
    ]
    known = [
        at_api(api, home | {"Device-ID": device}, PASSWORD).status_code,
        at_admin(browser, home, PASSWORD).status_code,
    ]

    assert unknown == [429, 429]
    assert known == [200, 302]


def test_a_sign_in_that_goes_well_uses_nothing_up_at_either(api, boss):
    home = address(1)

    for _ in range(6):
        assert at_admin(Client(), home, PASSWORD).status_code == 302
        assert at_api(api, home, PASSWORD).status_code == 200


def test_naming_somebody_else_as_well_buys_no_guess(boss):
    client = Client()

    answers = [
        at_admin(client, address(n), email=f"x{n}@example.com").status_code
        for n in range(7)
    ]

    assert answers == [200] * 5 + [429] * 2


def test_a_limit_of_the_page_itself_sees_through_it_as_well(boss):
    RateLimitPolicy.objects.create(
        name="own",
        per="account",
        quota=2,
        window_seconds=60,
        method="POST",
        path=ADMIN,
    )
    client = Client()

    answers = [
        at_admin(client, address(n), email=f"x{n}@example.com").status_code
        for n in range(3)
    ]

    assert answers == [200, 200, 429]


def test_a_ticket_beside_a_password_opens_nothing(boss):
    client = Client()

    page = at_admin(client, address(1), PASSWORD, ticket=make_ticket_of(boss))

    assert page.status_code == 200
    assert "_auth_user_id" not in client.session


def test_the_refusal_says_how_long_to_wait(boss):
    client = Client()
    for n in range(5):
        at_admin(client, address(n))

    refused = at_admin(client, address(9))

    assert refused.status_code == 429
    assert refused.json()["violated_policies"] == ["login-account"]
    assert refused.headers["Retry-After"] == "12"
