"""Guessing passwords, from many places and at many people, with the limits as seeded."""

from collections import Counter

import orjson
import pytest
import redis
from django.core.signing import Signer

from accounts.tests.factories import PASSWORD, make_user
from core.protection import limiter
from core.protection.line import Line
from core.protection.sparing import SparingBuckets
from core.protection.token_bucket import LocalBuckets, SharedBuckets

LOGIN = "/api/v1/auth/login"
EMAIL = "anna@example.com"
WRONG = "not it"
HOME = "198.51.100.1"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("seeded_limits")]


@pytest.fixture
def anna():
    return make_user(email=EMAIL)


def login(api, *, address, password=WRONG, email=EMAIL, device=""):
    headers = {"X-Forwarded-For": address}
    if device:
        headers["Device-ID"] = device
    body = {"email": email, "password": password}
    return api.post(LOGIN, body, headers=headers)


def sign_in(api, **more):
    return login(api, address=HOME, password=PASSWORD, **more)


def address(number):
    return f"203.0.{number // 250}.{number % 250 + 1}"


def guess_from_everywhere(api, count=500):
    return Counter(
        login(api, address=address(n), password=f"guess {n}").status_code
        for n in range(count)
    )


def test_guesses_from_500_addresses_at_one_account_are_stopped(api, anna):
    answers = guess_from_everywhere(api)

    # A token may come back while a slow machine still guesses.
    assert answers[401] <= 8
    assert answers[401] + answers[429] == 500


def test_the_owner_gets_in_from_his_device_while_the_account_is_attacked(api, anna):
    device = sign_in(api).headers["Device-ID"]
    guess_from_everywhere(api)

    assert sign_in(api).status_code == 429
    assert sign_in(api, device=device).status_code == 200


def test_the_owner_gets_in_from_his_device_at_the_attackers_address(api, anna):
    device = sign_in(api).headers["Device-ID"]
    answers = [login(api, address=HOME).status_code for _ in range(20)]
    assert answers[-1] == 429

    assert sign_in(api, device=device).status_code == 200


def test_guesses_from_one_address_at_500_accounts_are_stopped(api):
    answers = Counter(
        login(api, address=HOME, email=f"person{n}@example.net").status_code
        for n in range(500)
    )

    assert answers[401] <= 8
    assert answers[401] + answers[429] == 500


def test_one_address_can_not_use_up_an_account(api, anna):
    for _ in range(50):
        login(api, address=address(1))

    answer = login(api, address=address(2), password=PASSWORD)

    assert answer.status_code == 200


def post_raw(api, padding=0, media_type="application/json"):
    body = orjson.dumps({"email": EMAIL, "password": WRONG}) + b" " * padding
    return Counter(
        api.generic(
            *("POST", LOGIN, body, media_type),
            headers={"X-Forwarded-For": address(n)},
        ).status_code
        for n in range(20)
    )


@pytest.mark.parametrize("padding", [0, 65_000, 70_000, 900_000])
def test_a_form_counts_whatever_its_size(api, anna, padding):
    answers = post_raw(api, padding)

    assert answers[401] <= 8
    assert answers[401] + answers[429] == 20


@pytest.mark.parametrize(
    ("media_type", "answer"),
    [("APPLICATION/JSON", 401), ("*/*", 415), ("application/*", 415)],
)
def test_a_form_counts_whatever_it_is_called(api, anna, media_type, answer):
    answers = post_raw(api, media_type=media_type)

    assert 1 <= answers[answer] <= 8
    assert answers[answer] + answers[429] == 20
    # As this account's, and not as one of those that name nobody.
    assert login(api, address=address(99)).status_code == 429


def test_another_spelling_of_the_address_counts_as_the_same(api, anna):
    spellings = [
        EMAIL,
        EMAIL.upper(),
        f" {EMAIL} ",
        f"\u3000{EMAIL}",
        "aNNa@Example.com",
    ]

    answers = Counter(
        login(api, address=address(n), email=spellings[n % 5]).status_code
        for n in range(20)
    )

    assert answers[401] <= 8
    assert answers[401] + answers[429] == 20


@pytest.mark.parametrize("more", [{"email": "x@example.com"}, {"ticket": ""}, {}])
def test_a_second_name_in_the_form_does_not_choose_what_is_counted(client, more):
    make_user(email=EMAIL, roles=("admin",))

    answers = Counter(
        client.post(
            "/admin/login/",
            {"username": EMAIL, "password": WRONG}
            | {name: text and f"{n}{text}" for name, text in more.items()},
            headers={"X-Forwarded-For": address(n)},
        ).status_code
        for n in range(20)
    )

    assert answers[200] <= 8
    assert answers[200] + answers[429] == 20


def test_nothing_tells_whether_the_account_exists(api, anna):
    def answers(email, start):
        found = [login(api, address=address(start + n), email=email) for n in range(7)]
        return [
            (r.status_code, r.json()["code"], r.headers["RateLimit-Policy"])
            for r in found
        ]

    assert answers(EMAIL, 0) == answers("nobody@example.com", 100)


def test_an_answer_does_not_tell_how_often_others_have_tried(api, anna):
    login(api, address=address(0))

    shown = login(api, address=address(1)).headers["RateLimit"]

    assert "account" not in shown
    assert "pair" not in shown


def test_a_known_device_has_a_quota_of_its_own(api, anna):
    device = sign_in(api).headers["Device-ID"]

    answers = [
        login(api, address=address(n), device=device).status_code for n in range(10)
    ]

    assert 429 in answers
    # It used up its own, and nobody else's.
    assert sign_in(api).status_code == 200


def test_signing_in_right_uses_nothing_up(api, anna):
    answers = [sign_in(api).status_code for _ in range(12)]

    assert answers == [200] * 12


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_delay_grows_with_the_number_of_failures(api, anna, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(limiter, "shared", LocalBuckets(clock=clock))

    waits = []
    for n in range(125):
        waited = 0
        while (answer := login(api, address=address(n))).status_code == 429:
            wait = int(answer.headers["Retry-After"])
            waited += wait
            clock.now += wait
        waits.append(waited)

    assert waits[:5] == [0] * 5
    # Seconds, then minutes, then a quarter of an hour: never a day, never for good.
    assert (waits[20], waits[80], waits[120]) == (12, 120, 864)


@pytest.mark.parametrize("kind", ["forged", "stranger", "other purpose", "rubbish"])
def test_a_device_that_proves_nothing_waits_like_any_other(api, anna, kind):
    token = sign_in(api).headers["Device-ID"]
    make_user(email="bob@example.com")
    stranger = sign_in(api, email="bob@example.com").headers["Device-ID"]
    device = {
        "forged": token[:-3] + "AAA",
        "stranger": stranger,
        "other purpose": Signer(salt="another").sign(token.rpartition(":")[0]),
        "rubbish": "rubbish",
    }[kind]
    guess_from_everywhere(api, 10)

    assert sign_in(api, device=device).status_code == 429


def test_a_shared_device_knows_both_people(api, anna):
    make_user(email="bob@example.com")
    first = sign_in(api).headers["Device-ID"]
    second = sign_in(api, email="bob@example.com", device=first)
    guess_from_everywhere(api, 10)

    device = second.headers["Device-ID"]

    assert sign_in(api, device=device).status_code == 200


def test_a_failure_proves_no_device(api, anna):
    assert "Device-ID" not in login(api, address=HOME).headers


def test_counters_survive_a_lost_valkey(api, anna, settings, monkeypatch):
    device = sign_in(api).headers["Device-ID"]
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    line = Line()
    monkeypatch.setattr(limiter, "shared", SparingBuckets(SharedBuckets(line.call)))
    with pytest.raises(redis.RedisError):
        line.call("PING")

    answers = guess_from_everywhere(api)

    # Of two processes each grants half of five.
    assert answers[401] <= 3
    assert answers[401] + answers[429] == 500
    assert sign_in(api).status_code == 429
    assert sign_in(api, device=device).status_code == 200


@pytest.mark.parametrize("form", ["change-password", "change-email"])
def test_a_stolen_session_is_no_place_to_guess_the_password(api_as, anna, form):
    client = api_as(anna)
    body = {"current_password": WRONG}
    more = {"new_password": PASSWORD} if form == "change-password" else {}
    more = more or {"email": "new@example.com"}

    answers = [
        client.post(
            f"/api/v1/auth/{form}",
            body | more,
            headers={"X-Forwarded-For": address(n)},
        ).status_code
        for n in range(8)
    ]

    assert answers[0] != 429
    assert answers[-1] == 429


@pytest.mark.parametrize("form", ["resend-verification", "forgot-password"])
def test_nobodys_mailbox_is_flooded(api, form):
    answers = [
        api.post(
            f"/api/v1/auth/{form}",
            {"email": EMAIL},
            headers={"X-Forwarded-For": address(n)},
        ).status_code
        for n in range(5)
    ]

    assert answers == [202, 202, 202, 429, 429]
