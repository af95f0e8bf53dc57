import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return make_user(email="anna@example.com", name="Anna Smith")


def login(api, email="anna@example.com", password=PASSWORD, **more):
    body = {"email": email, "password": password, **more}
    return api.post("/api/v1/auth/login", body, format="json")


def refresh(api, token):
    return api.post("/api/v1/auth/refresh", {"refresh": token}, format="json")


def me(token):
    client = APIClient()
    return client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})


def assert_refused(response, code):
    assert (response.status_code, response.json()["code"]) == (401, code)
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="shopwright"')


def profile(user):
    return {
        "id": str(user.pk),
        "email": "anna@example.com",
        "email_verified": True,
        "name": "Anna Smith",
        "roles": ["customer"],
        "locale": "en",
        "timezone": "UTC",
        "created_at": user.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def test_login_answers_tokens_and_the_user(api, anna):
    response = login(api, email="Anna@Example.COM", device_name="Phone")

    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh", "user"}
    assert response.json()["user"] == profile(anna)
    assert "no-store" in response.headers["Cache-Control"]


def test_a_token_from_login_opens_me(api, anna):
    response = me(login(api).json()["access"])

    assert response.status_code == 200
    assert response.json() == profile(anna)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("anna@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ],
)
def test_login_refuses_every_mistake_alike(api, anna, email, password):
    response = login(api, email=email, password=password)

    assert_refused(response, "invalid_credentials")
    assert response.json()["detail"] == "Wrong address or password"


def test_login_refuses_an_inactive_user(api, anna):
    User.objects.filter(pk=anna.pk).update(is_active=False)

    assert_refused(login(api), "invalid_credentials")


def test_login_does_not_mind_a_stale_token_in_the_header(api, anna):
    api.credentials(HTTP_AUTHORIZATION="Bearer stale")

    assert login(api).status_code == 200


def test_login_forgets_its_answer_whatever_the_idempotency_key(api, anna):
    api.credentials(HTTP_IDEMPOTENCY_KEY="once")

    first, second = login(api), login(api)

    assert first.json()["refresh"] != second.json()["refresh"]
    assert "Idempotent-Replayed" not in second.headers


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["#/email", "#/password"]),
        ({"email": "a@b.cc", "password": "x" * 257}, ["#/password"]),
        ({"email": "a" * 255, "password": "x"}, ["#/email"]),
        ({"email": "a@b.cc", "password": "x", "admin": True}, ["#/admin"]),
        ({"email": ["a@b.cc"], "password": {"$ne": 1}}, ["#/email", "#/password"]),
    ],
)
def test_login_names_the_members_that_are_wrong(api, body, pointers):
    response = api.post("/api/v1/auth/login", body, format="json")

    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert sorted(e["pointer"] for e in response.json()["errors"]) == pointers


def test_a_password_keeps_its_blanks(api):
    spaced = f" {PASSWORD} "
    make_user(email="blank@example.com", password=spaced)

    assert login(api, "blank@example.com", spaced).status_code == 200
    assert login(api, "blank@example.com", PASSWORD).status_code == 401


def test_refresh_answers_a_pair_that_works(api, anna):
    response = refresh(api, login(api).json()["refresh"])

    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh"}
    assert me(response.json()["access"]).status_code == 200
    assert refresh(api, response.json()["refresh"]).status_code == 200


def test_refresh_refuses_a_deactivated_user(api, anna):
    token = login(api).json()["refresh"]
    User.objects.filter(pk=anna.pk).update(is_active=False)

    assert_refused(refresh(api, token), "invalid_refresh_token")


def test_refresh_refuses_rubbish_and_access_tokens(api, anna):
    assert_refused(refresh(api, "rubbish"), "invalid_refresh_token")
    access = login(api).json()["access"]
    assert_refused(refresh(api, access), "invalid_refresh_token")


def test_me_refuses_nobody_and_bad_tokens(api, anna):
    assert_refused(api.get("/api/v1/auth/me"), "not_authenticated")
    for token in ("rubbish", "a b", login(api).json()["refresh"]):
        assert_refused(me(token), "authentication_failed")


def test_me_refuses_a_deactivated_user_at_once(api, anna):
    token = login(api).json()["access"]
    User.objects.filter(pk=anna.pk).update(is_active=False)

    assert_refused(me(token), "authentication_failed")


@pytest.mark.parametrize(
    "roles", [("customer",), ("support", "moderator", "warehouse")]
)
def test_me_costs_three_queries(api_as, django_assert_num_queries, roles):
    client = api_as(make_user(roles=roles))

    with django_assert_num_queries(3):
        assert client.get("/api/v1/auth/me").json()["roles"] == sorted(roles)


def test_staff_sign_in_to_the_administration_by_address(client):
    make_user(email="boss@example.com", roles=("admin",))
    make_user(email="anna@example.com")

    for email, is_let_in in [("Boss@example.com", True), ("anna@example.com", False)]:
        client.logout()
        response = client.post(
            "/admin/login/", {"username": email, "password": PASSWORD}
        )
        assert (response.status_code == 302) == is_let_in
