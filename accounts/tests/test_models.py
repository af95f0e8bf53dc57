from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db


def test_create_user_folds_the_address():
    user = User.objects.create_user("  Anna.Smith@Example.COM ", PASSWORD)

    assert user.email == "anna.smith@example.com"


def test_the_address_is_unique_whatever_its_case():
    make_user(email="anna@example.com")

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ANNA@example.com")
    with pytest.raises(ValidationError):
        User(email="Anna@Example.com", password=PASSWORD).full_clean()


def test_the_database_refuses_an_address_that_is_not_folded():
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(email="Anna@example.com")])


def test_sign_in_ignores_case_and_blanks():
    user = make_user(email="anna@example.com")

    assert authenticate(username=" ANNA@Example.com", password=PASSWORD) == user


def test_createsuperuser_needs_no_user_name(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)

    call_command(
        "createsuperuser",
        email="Boss@example.com",
        interactive=False,
        stdout=StringIO(),
    )

    user = User.objects.get(email="boss@example.com")
    assert (user.is_staff, user.is_superuser) == (True, True)
    assert user.check_password(PASSWORD)
