"""The administration's door: password, code, limits, and what it remembers."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.auth._callers import user_of_session
from accounts.models import ActivityEntry, Session
from accounts.services import begin_totp, confirm_totp, prove_again
from accounts.tests.authenticators import code_at
from accounts.tests.factories import PASSWORD, PHONE, make_tokens, make_user
from accounts.tests.factors import make_passkey

LOGIN = "/admin/login/"
EMAIL = "boss@example.com"
WRONG = "not it"

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return make_user(email=EMAIL, roles=("admin",))


@pytest.fixture
def enrolled(boss):
    earlier = timezone.now() - timedelta(minutes=5)
    secret = begin_totp(user=boss, now=earlier).secret
    code = code_at(secret, earlier)
    codes = confirm_totp(user=boss, code=code, device=PHONE, now=earlier)
    return secret, codes


def send_password(client, password=PASSWORD, email=EMAIL, **more):
    return client.post(LOGIN, {"username": email, "password": password}, **more)


def send_code(client, page, code, **more):
    ticket = page.context["form"].initial["ticket"]
    return client.post(
        LOGIN, {"ticket": ticket, "code": code, "next": "/admin/"}, **more
    )


def is_in(client):
    return client.get("/admin/").status_code == 200


def test_the_password_opens_it_where_there_is_no_app(client, boss):
    response = send_password(client)

    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    assert is_in(client)
    entry = ActivityEntry.objects.get()
    assert (entry.kind, entry.details["at"]) == ("signed_in", "admin")


def test_signing_in_starts_the_session_anew(client, boss):
    client.cookies["sessionid"] = "planted0planted0planted0planted0"

    send_password(client)

    assert client.cookies["sessionid"].value != "planted0planted0planted0planted0"
    assert is_in(client)


def test_every_mistake_looks_alike(client, boss):
    make_user(email="anna@example.com")

    pages = [
        send_password(client, WRONG),
        send_password(client, email="nobody@example.com"),
        send_password(client, email="anna@example.com"),
    ]

    assert {page.status_code for page in pages} == {200}
    assert len({str(page.context["form"].non_field_errors()) for page in pages}) == 1
    assert not is_in(client)
    assert WRONG.encode() not in pages[0].content


def test_an_app_asks_for_its_code(client, boss, enrolled):
    page = send_password(client)

    assert page.status_code == 200
    assert not is_in(client)
    assert b'name="code"' in page.content
    assert b'name="password"' not in page.content
    response = send_code(client, page, code_at(enrolled[0], timezone.now()))
    assert response.status_code == 302
    assert is_in(client)


def test_a_recovery_code_opens_it_once(client, boss, enrolled):
    assert send_code(client, send_password(client), enrolled[1][0]).status_code == 302
    other = Client()

    again = send_code(other, send_password(other), enrolled[1][0])

    assert again.status_code == 200
    assert not is_in(other)


def test_a_wrong_code_may_be_sent_again(client, boss, enrolled):
    page = send_password(client)

    wrong = send_code(client, page, "000000")
    right = send_code(client, page, code_at(enrolled[0], timezone.now()))

    assert wrong.status_code == 200
    assert wrong.context["form"].errors == {"code": ["That code isn't right"]}
    assert right.status_code == 302


def test_five_wrong_codes_start_again(client, boss, enrolled):
    page = send_password(client)

    for _ in range(5):
        send_code(client, page, "000000")
    last = send_code(client, page, code_at(enrolled[0], timezone.now()))

    assert b'name="password"' in last.content
    assert not is_in(client)


def test_tickets_of_the_api_and_the_admin_are_not_one(client, api, boss, enrolled):
    code = code_at(enrolled[0], timezone.now())
    of_api = api.post("/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
    of_admin = send_password(client).context["form"].initial["ticket"]

    in_admin = client.post(LOGIN, {"ticket": of_api.json()["ticket"], "code": code})
    in_api = api.post("/api/v1/auth/mfa", {"ticket": of_admin, "code": code})

    assert in_admin.status_code == 200
    assert in_api.status_code == 401
    assert not is_in(client)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("/admin/orders/order/", "/admin/orders/order/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/", "/admin/"),
    ],
)
def test_it_leads_on_to_our_own_pages_only(client, boss, asked, answered):
    form = {"username": EMAIL, "password": PASSWORD, "next": asked}

    assert client.post(LOGIN, form).headers["Location"] == answered


def test_who_is_in_is_led_on(client, boss):
    assert client.get(LOGIN).status_code == 200
    send_password(client)

    assert client.get(LOGIN).headers["Location"] == "/admin/"


def test_a_form_without_its_token_is_refused(boss):
    strict = Client(enforce_csrf_checks=True)

    assert send_password(strict).status_code == 403


@pytest.mark.usefixtures("seeded_limits")
def test_guesses_are_slowed_and_the_known_browser_gets_in(client, boss):
    send_password(client, headers={"X-Forwarded-For": "198.51.100.1"})
    client.post("/admin/logout/")

    stranger = Client()
    answers = [
        send_password(
            stranger, WRONG, headers={"X-Forwarded-For": f"203.0.113.{n}"}
        ).status_code
        for n in range(100)
    ]
    elsewhere = send_password(
        Client(), headers={"X-Forwarded-For": "198.51.100.1"}
    ).status_code
    known = send_password(client, headers={"X-Forwarded-For": "198.51.100.1"})

    assert answers.count(200) <= 8
    assert elsewhere == 429
    assert known.status_code == 302


def test_the_devices_cookie_is_out_of_scripts_reach(client, boss, settings):
    settings.SESSION_COOKIE_SECURE = True

    cookie = send_password(client, secure=True).cookies["shop_device"]

    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (
        True,
        True,
        "Lax",
    )


def test_staff_without_a_second_factor_stay_out_where_it_is_asked_for(
    client, boss, settings
):
    settings.STAFF_MFA_REQUIRED = True

    page = send_password(client)

    assert page.status_code == 200
    assert "second factor" in str(page.context["form"].non_field_errors())
    assert not is_in(client)


def test_sessions_from_before_the_setting_end_with_it(client, boss, settings):
    send_password(client)
    settings.STAFF_MFA_REQUIRED = True

    assert not is_in(client)


def test_staff_with_a_second_factor_get_in_where_it_is_asked_for(
    client, boss, enrolled, settings
):
    settings.STAFF_MFA_REQUIRED = True

    send_code(client, send_password(client), code_at(enrolled[0], timezone.now()))

    assert is_in(client)


def test_staff_are_customers_to_the_api_until_they_prove_it(api_as, boss, settings):
    settings.STAFF_MFA_REQUIRED = True
    client = api_as(boss)

    refused = client.get("/api/v1/stock")
    orders = client.get("/api/v1/orders")
    me = client.get("/api/v1/auth/me")

    assert refused.status_code == 403
    assert refused.json()["code"] == "second_factor_required"
    assert orders.json()["results"] == []
    assert me.status_code == 200


def test_proving_it_opens_the_staffs_routes_at_once(api_as, boss, enrolled, settings):
    settings.STAFF_MFA_REQUIRED = True
    client = api_as(boss)
    assert client.get("/api/v1/stock").status_code == 403

    code = code_at(enrolled[0], timezone.now())
    client.post("/api/v1/auth/step-up", {"code": code})

    assert client.get("/api/v1/stock").status_code == 200


def test_holding_staff_back_writes_nothing(boss, settings):
    settings.STAFF_MFA_REQUIRED = True
    tokens = make_tokens(boss)

    user = user_of_session(tokens.session_id, now=timezone.now())

    assert (user.is_staff, user.has_perm("inventory.view_stock")) == (False, False)
    boss.refresh_from_db()
    assert boss.is_staff


def test_without_the_setting_staff_work_as_before(api_as, boss):
    assert api_as(boss).get("/api/v1/stock").status_code == 200


def test_a_proof_by_password_lifts_nobody(boss, settings):
    settings.STAFF_MFA_REQUIRED = True
    tokens = make_tokens(boss)
    now = timezone.now()

    prove_again(
        user=boss,
        session_id=tokens.session_id,
        device=PHONE,
        now=now,
        password=PASSWORD,
    )

    assert Session.objects.get().methods == ["password"]
    assert user_of_session(tokens.session_id, now=now).held_back_by


def test_a_password_is_not_enough_for_staff_with_a_passkey(api, boss, settings):
    settings.STAFF_MFA_REQUIRED = True
    make_passkey(boss)

    response = api.post("/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD})

    assert response.json()["methods"] == ["passkey"]
    assert not Session.objects.exists()


def test_a_customers_password_is_enough_beside_a_passkey(api, settings):
    settings.STAFF_MFA_REQUIRED = True
    make_passkey(make_user(email="anna@example.com"))
    body = {"email": "anna@example.com", "password": PASSWORD}

    assert "access" in api.post("/api/v1/auth/login", body).json()
