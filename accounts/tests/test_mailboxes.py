"""One mailbox, one account, however its address is written."""

from importlib import import_module

import pytest
from django.apps import apps
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, make_user
from core.tests.delivery import deliver_all

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]
AUTH = "/api/v1/auth"
PLAIN = "tom@xn--bcher-kva.example"
SPELLINGS = [
    "tom@bücher.example",
    "TOM@BÜCHER.EXAMPLE",
    "tom@b\u0075\u0308cher.example",
    "tom@bücher\u3002example",
    "Tom@XN--Bcher-KVA.example",
]


def post(path, **body):
    return APIClient().post(f"{AUTH}/{path}", body, format="json")


@pytest.mark.parametrize("email", SPELLINGS)
def test_registering_another_spelling_makes_no_second_account(email):
    make_user(email=PLAIN)

    assert post("register", email=email, password=PASSWORD).status_code == 202
    deliver_all()

    assert list(User.objects.values_list("email", flat=True)) == [PLAIN]


@pytest.mark.parametrize("email", SPELLINGS)
def test_any_spelling_signs_in(email):
    make_user(email=email)

    for one in (email, PLAIN):
        assert post("login", email=one, password=PASSWORD).status_code == 200


@pytest.mark.parametrize(
    "email", ['"tom"@example.com', "t\u0131m@example.com", "tom@[10.0.0.1]"]
)
@pytest.mark.parametrize("path", ["register", "forgot-password", "resend-verification"])
def test_what_only_looks_like_an_address_is_refused(path, email):
    more = {"password": PASSWORD} if path == "register" else {}

    response = post(path, email=email, **more)

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["pointer"], error["code"]) == ("#/email", "invalid")


def test_addresses_from_before_are_written_anew_where_nobody_has_them():
    written = make_user(email="a@x.example", roles=())
    other, twin = make_user(email="b@y.example"), make_user(email="b@xn--bcher-kva.de")
    User.objects.filter(pk=written.pk).update(email="tom@bücher.example")
    User.objects.filter(pk=other.pk).update(email="b@bücher.de")
    migration = import_module("accounts.migrations.0022_write_domains_as_mail_does")

    migration.write_in_ascii(apps, None)

    for user in (written, other, twin):
        user.refresh_from_db()
    assert written.email == PLAIN
    assert (other.email, twin.email) == ("b@bücher.de", "b@xn--bcher-kva.de")
