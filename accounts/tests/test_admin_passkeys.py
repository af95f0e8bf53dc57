"""The administration's door and passkeys: after the password, and instead of it."""

import json
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone

from accounts.models import ActivityEntry, Ceremony, Passkey, User
from accounts.tests.authenticators import Authenticator, code_at
from accounts.tests.factories import PASSWORD, make_user
from accounts.tests.factors import enrol, make_passkey
from core.protection import limiter
from core.protection.token_bucket import LocalBuckets

LOGIN, OPTIONS = "/admin/login/", "/admin/login/passkey/"
API = "/api/v1/auth/passkeys/login"
EMAIL = "boss@example.com"
HERE = {"Host": "localhost:8000"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return make_user(email=EMAIL, roles=("admin",))


@pytest.fixture
def key(boss):
    return make_passkey(boss)[1]


def send_password(client, **more):
    form = {"username": EMAIL, "password": PASSWORD} | more
    return client.post(LOGIN, form, headers=HERE)


def ticket_of(page):
    return page.context["form"].initial["ticket"]


def options(client, ticket=""):
    answer = client.post(OPTIONS, {"ticket": ticket} if ticket else {})
    assert answer.status_code == 200
    return answer.json()["public_key"]


def send(client, credential, **more):
    return client.post(LOGIN, {"credential": json.dumps(credential)} | more)


def is_in(client):
    return client.get("/admin/").status_code == 200


def errors(page):
    return page.context["form"].non_field_errors()


def test_a_passkey_alone_opens_it(client, boss, key):
    response = send(client, key.get(options(client)), next="/admin/orders/order/")

    assert response.status_code == 302
    assert response.headers["Location"] == "/admin/orders/order/"
    assert is_in(client)
    entry = ActivityEntry.objects.get(kind="signed_in")
    assert entry.details == {"methods": ["passkey"], "at": "admin"}
    # Known from now on, as after a password.
    assert response.cookies["shop_device"].value


def test_a_passkey_is_both_proofs_where_two_are_asked_for(client, boss, key, settings):
    settings.STAFF_MFA_REQUIRED = True

    send(client, key.get(options(client)))

    assert is_in(client)


def test_after_the_password_the_passkey_is_asked_for(client, boss, key, settings):
    settings.STAFF_MFA_REQUIRED = True

    page = send_password(client)

    assert page.status_code == 200
    assert not is_in(client)
    html = page.content.decode()
    assert 'name="credential"' in html
    assert 'name="code"' not in html
    assert 'name="password"' not in html
    asked = options(client, ticket_of(page))
    assert len(asked["allowCredentials"]) == 1
    response = send(client, key.get(asked), ticket=ticket_of(page))
    assert response.status_code == 302
    assert is_in(client)
    entry = ActivityEntry.objects.get(kind="signed_in")
    assert entry.details["methods"] == ["password", "passkey"]


def test_it_is_asked_for_also_where_the_shop_does_not_insist(client, boss, key):
    send_password(client)

    assert not is_in(client)


def test_who_has_both_chooses(client, boss, key):
    secret, _ = enrol(boss)

    page = send_password(client)
    html = page.content.decode()
    by_code = {"ticket": ticket_of(page), "code": code_at(secret, timezone.now())}

    assert 'name="code"' in html
    assert 'name="credential"' in html
    assert client.post(LOGIN, by_code).status_code == 302
    other = Client()
    page = send_password(other)
    asked = options(other, ticket_of(page))
    assert send(other, key.get(asked), ticket=ticket_of(page)).status_code == 302


def test_without_a_passkey_none_is_asked_for_after_the_password(client, boss):
    enrol(boss)

    html = send_password(client).content.decode()

    assert 'name="code"' in html
    assert "data-passkey" not in html


LIES = [
    {"origin": "https://evil.example"},
    {"rp_id": "evil.example"},
    {"cross_origin": True},
    {"flags": 0x01},
    {"signature": b"x"},
    {"type": "webauthn.create"},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: next(iter(lie)))
@pytest.mark.parametrize("step", ["alone", "second"])
def test_every_lie_is_refused_alike(client, boss, key, step, lie):
    ticket = ticket_of(send_password(client)) if step == "second" else ""
    more = {"ticket": ticket} if ticket else {}

    page = send(client, key.get(options(client, ticket), **lie), **more)

    assert page.status_code == 200
    assert errors(page) == ["The passkey was not accepted. Try again."]
    assert not is_in(client)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"id": 5}', "1" * 70_000])
@pytest.mark.parametrize("ticket", ["", "x"])
def test_what_is_no_answer_is_no_proof(client, boss, key, text, ticket):
    page = client.post(LOGIN, {"credential": text, "ticket": ticket})

    assert page.status_code == 200
    assert not is_in(client)


def test_an_answer_counts_once_for_minutes_and_one_device(client, boss, key):
    used = options(client)
    send(client, key.get(used))
    old = options(client)
    Ceremony.objects.filter(used_at=None).update(expires_at=timezone.now())

    client.post("/admin/logout/")
    for asked in (used, old):
        assert send(client, key.get(asked)).status_code == 200
        assert not is_in(client)
    elsewhere = Client(headers={"User-Agent": "curl/8"})
    fresh = options(client)
    assert send(elsewhere, key.get(fresh)).status_code == 200
    assert not is_in(elsewhere)
    assert send(client, key.get(fresh)).status_code == 302


def test_questions_of_the_api_and_of_the_steps_are_not_one(client, api, boss, key):
    ticket = ticket_of(send_password(client))
    of_api = api.post(f"{API}/options").json()["public_key"]
    alone, second = options(client), options(client, ticket)

    for asked, more in [
        (of_api, {}),
        (of_api, {"ticket": ticket}),
        (second, {}),
        (alone, {"ticket": ticket}),
    ]:
        assert send(client, key.get(asked), **more).status_code == 200
    in_api = api.post(API, {"credential": key.get(alone)})

    assert not is_in(client)
    assert in_api.status_code == 401


def test_the_second_proof_is_of_whose_password_it_was(client, boss, key):
    other = make_user(email="other@example.com", roles=("admin",))
    others_key = make_passkey(other)[1]
    ticket = ticket_of(send_password(client))

    page = send(client, others_key.get(options(client, ticket)), ticket=ticket)

    assert page.status_code == 200
    assert not is_in(client)
    assert ActivityEntry.objects.filter(user=boss, kind="factor_failed").count() == 1


def test_after_five_refusals_the_password_is_asked_for_again(client, boss, key):
    ticket = ticket_of(send_password(client))
    asked = options(client, ticket)
    for _ in range(5):
        page = send(client, key.get(asked, signature=b"x"), ticket=ticket)

    last = send(client, key.get(asked), ticket=ticket)

    assert 'name="password"' not in page.content.decode()
    assert 'name="password"' in last.content.decode()
    assert client.post(OPTIONS, {"ticket": ticket}).status_code == 401
    assert not is_in(client)


def test_a_ticket_of_nobody_asks_nothing(client, boss, key):
    assert client.post(OPTIONS, {"ticket": "x"}).status_code == 401
    assert not Ceremony.objects.filter(kind="admin_mfa_passkey").exists()


def test_a_customers_passkey_opens_nothing(client):
    key = make_passkey(make_user())[1]

    page = send(client, key.get(options(client)))

    assert page.status_code == 200
    assert not is_in(client)
    assert not ActivityEntry.objects.filter(kind="signed_in").exists()


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
def test_who_is_no_staff_any_more_stays_out_between_the_steps(
    client, boss, key, change
):
    ticket = ticket_of(send_password(client))
    asked = options(client, ticket)
    User.objects.filter(pk=boss.pk).update(**change)

    assert send(client, key.get(asked), ticket=ticket).status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_copied_authenticator_is_told_to_the_owner(client, boss, key):
    Passkey.objects.update(sign_count=50)

    assert send(client, key.get(options(client))).status_code == 200
    assert not is_in(client)
    [entry] = ActivityEntry.objects.filter(kind="factor_failed")
    assert entry.details["reason"] == "counter_regressed"


def test_signing_in_starts_the_session_anew(client, boss, key):
    client.cookies["sessionid"] = "planted0planted0planted0planted0"

    send(client, key.get(options(client)))

    assert client.cookies["sessionid"].value != "planted0planted0planted0planted0"


def test_the_question_needs_the_pages_token(boss, key):
    strict = Client(enforce_csrf_checks=True)

    assert strict.post(OPTIONS).status_code == 403
    assert strict.get(OPTIONS).status_code == 405
    assert not Ceremony.objects.filter(kind="admin_sign_in").exists()


@pytest.mark.usefixtures("seeded_limits")
def test_questions_and_answers_count_with_the_apis(client, api, boss, key, monkeypatch):
    monkeypatch.setattr(limiter, "shared", LocalBuckets(clock=lambda: 0.0))
    here = {"X-Forwarded-For": "203.0.113.1"}

    answers = [
        api.post(f"{API}/options", headers=here).status_code
        if n % 2
        else client.post(OPTIONS, headers=here).status_code
        for n in range(40)
    ]

    made_up = json.dumps(key.get({"challenge": "AAAA"}))
    refused = client.post(LOGIN, {"credential": made_up}, headers=here)

    assert answers == [200] * 30 + [429] * 10
    assert refused.status_code == 429


def test_the_page_offers_a_passkey_where_passkeys_work(client, boss):
    here = client.get(LOGIN, headers=HERE).content.decode()
    elsewhere = client.get(LOGIN).content.decode()

    assert "data-passkey" in here
    assert 'src="/static/accounts/passkeys.js"' in here
    assert "data-passkey" not in elsewhere


def test_elsewhere_it_says_where_they_work(client, boss, key):
    form = {"username": EMAIL, "password": PASSWORD}

    html = client.post(LOGIN, form).content.decode()

    assert "data-passkey" not in html
    assert "http://localhost:8000" in html


def test_the_page_needs_no_code_of_its_own(client, boss, key):
    """A strict Content-Security-Policy lets only files run."""
    script = Path(finders.find("accounts/passkeys.js")).read_text()

    for page in (client.get(LOGIN, headers=HERE), send_password(client)):
        own = page.content.decode().partition('id="login-form"')[2]
        own = own.partition("</form>")[0]
        for inline in ("<script", "style=", "onclick", "x-data", "@click"):
            assert inline not in own
    for unsafe in ("eval(", "innerHTML", "http"):
        assert unsafe not in script


def test_a_passkey_of_another_shop_is_unknown(client, boss, key):
    stranger = Authenticator()
    stranger.rp_id, stranger.user_handle = key.rp_id, key.user_handle

    assert send(client, stranger.get(options(client))).status_code == 200
    assert not is_in(client)
