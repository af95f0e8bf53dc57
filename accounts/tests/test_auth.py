from datetime import timedelta

import pytest
import time_machine
from django.test import RequestFactory
from django.utils import timezone

from accounts.auth import principal_of_token
from accounts.tests.factories import make_tokens
from core.protection.principals import Principal


def bearing(token):
    return RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})


def test_principal_of_token_is_its_user_in_his_role(customer, staff):
    boss = staff("support")

    for user, role in ((customer, "customer"), (boss, "staff")):
        token = make_tokens(user).access
        assert principal_of_token(bearing(token)) == Principal(
            "user", str(user.pk), role
        )


def test_principal_of_token_is_nobody_once_it_has_expired(customer):
    token = make_tokens(customer).access
    assert principal_of_token(bearing(token))

    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert principal_of_token(bearing(token)) is None


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é", "x" * 100_000])
def test_principal_of_token_is_nobody_without_proof(text):
    assert principal_of_token(bearing(text)) is None


def test_principal_of_token_is_nobody_with_a_token_for_something_else(customer):
    refresh = make_tokens(customer).refresh

    assert principal_of_token(bearing(refresh)) is None
