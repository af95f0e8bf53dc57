"""Staff need a longer password than customers, however they became staff."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Session, User
from accounts.services import assign_roles, begin_totp, confirm_totp, remove_totp
from accounts.tests.authenticators import code_at
from accounts.tests.factories import PASSWORD, PHONE, make_user

SHORT = "fourteen signs"
LONGER = "fifteen signs or more"
EMAIL = "clerk@example.com"
STAFFS_OWN = "/api/v1/stock"

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk():
    return make_user(email=EMAIL, password=SHORT, roles=("warehouse",))


def login(api, password=SHORT):
    return api.post("/api/v1/auth/login", {"email": EMAIL, "password": password})


def ask(api, signed_in, path=STAFFS_OWN):
    access = signed_in.json()["access"]
    return api.get(path, headers={"Authorization": f"Bearer {access}"})


def give_app(user):
    earlier = timezone.now() - timedelta(minutes=5)
    secret = begin_totp(user=user, now=earlier).secret
    confirm_totp(user=user, code=code_at(secret, earlier), device=PHONE, now=earlier)
    return secret


def test_who_became_staff_with_a_short_password_is_a_customer_for_now(api, clerk):
    signed_in = login(api)

    refused = ask(api, signed_in)

    assert (refused.status_code, refused.json()["code"]) == (
        403,
        "staff_password_too_short",
    )
    assert ask(api, signed_in, "/api/v1/auth/me").status_code == 200
    assert ask(api, signed_in, "/api/v1/roles").json()["code"] == (
        "staff_password_too_short"
    )


def test_it_holds_for_a_session_from_before_the_promotion(api):
    clerk = make_user(email=EMAIL, password=SHORT)
    signed_in = login(api)
    assign_roles(user_id=clerk.pk, roles=["warehouse"])

    assert ask(api, signed_in).json()["code"] == "staff_password_too_short"


def test_a_customer_does_not_feel_it(api):
    make_user(email=EMAIL, password=SHORT)

    assert ask(api, login(api), "/api/v1/orders").status_code == 200


def test_a_long_password_opens_staffs_routes(api):
    make_user(email=EMAIL, password=PASSWORD, roles=("warehouse",))

    assert ask(api, login(api, PASSWORD)).status_code == 200


def test_the_way_out_is_a_longer_password(api, clerk):
    access = login(api).json()["access"]

    def change(password):
        return api.post(
            "/api/v1/auth/change-password",
            {"current_password": SHORT, "new_password": password},
            headers={"Authorization": f"Bearer {access}"},
        )

    # Held back he is staff all the same, and asked for as much.
    assert change("another fourtn").status_code == 422
    assert change(LONGER).status_code == 204
    assert ask(api, login(api, LONGER)).status_code == 200


def test_a_second_factor_makes_up_for_it(api, clerk):
    secret = give_app(clerk)
    ticket = login(api).json()["ticket"]

    signed_in = api.post(
        "/api/v1/auth/mfa",
        {"ticket": ticket, "code": code_at(secret, timezone.now())},
    )

    assert ask(api, signed_in).status_code == 200


def test_giving_up_the_second_factor_asks_for_a_long_password_again(api, clerk):
    give_app(clerk)
    remove_totp(user=clerk, device=PHONE, now=timezone.now())

    assert ask(api, login(api)).json()["code"] == "staff_password_too_short"


def test_the_administration_says_so_as_well(client, clerk):
    body = {"username": EMAIL, "password": SHORT}

    page = client.post("/admin/login/", body)

    assert page.status_code == 200
    assert "longer password" in str(page.context["form"].non_field_errors())
    assert client.get("/admin/").status_code == 302


def test_the_length_of_a_password_is_not_shown(api, clerk):
    (shown,) = ask(api, login(api), "/api/v1/auth/sessions").json()["results"]

    assert Session.objects.get().is_by_short_password
    assert not [name for name in shown if "password" in name]
    assert shown["methods"] == ["password"]


def test_staff_who_never_proved_their_address_stay_out_of_the_administration(client):
    user = make_user(email=EMAIL, roles=("admin",), email_verified_at=None)

    client.post("/admin/login/", {"username": EMAIL, "password": PASSWORD})

    assert client.get("/admin/").status_code == 302
    User.objects.filter(pk=user.pk).update(email_verified_at=timezone.now())
    client.post("/admin/login/", {"username": EMAIL, "password": PASSWORD})
    assert client.get("/admin/").status_code == 200


def test_signing_in_to_the_administration_keeps_an_account_that_was_to_go(client):
    leaving = timezone.now() + timedelta(days=3)
    user = make_user(email=EMAIL, roles=("admin",), erase_after=leaving)

    client.post("/admin/login/", {"username": EMAIL, "password": PASSWORD})

    user.refresh_from_db()
    assert user.erase_after is None
