"""A refused guess costs one Argon2 of today's parameters, whatever hash it was tried on."""

import argon2
import pytest
from argon2 import low_level
from django.contrib.auth import authenticate

from accounts.auth import Argon2Hasher
from accounts.models import User
from accounts.tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db
GUESS = "what a stranger tries"
TODAY = Argon2Hasher.time_cost * Argon2Hasher.memory_cost
OLDER = [(1, 19_456), (2, 9_728), (1, 4_096), (2, 19_000), (3, 8_192), (1, 8)]


@pytest.fixture(autouse=True)
def _argon2(settings):
    settings.PASSWORD_HASHERS = ["accounts.auth.Argon2Hasher"]


@pytest.fixture
def work(monkeypatch):
    """Note the passes times the memory of whatever Argon2 is asked for."""
    done = []
    hash_secret, verify = low_level.hash_secret, argon2.PasswordHasher.verify

    def noted_hash(*args, time_cost, memory_cost, **kwargs):
        done.append(time_cost * memory_cost)
        return hash_secret(
            *args, time_cost=time_cost, memory_cost=memory_cost, **kwargs
        )

    def noted_verify(self, encoded, password):
        parameters = argon2.extract_parameters(encoded)
        done.append(parameters.time_cost * parameters.memory_cost)
        return verify(self, encoded, password)

    monkeypatch.setattr(low_level, "hash_secret", noted_hash)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", noted_verify)
    return done


def make_person(time_cost, memory_cost):
    """Make somebody whose password was hashed with parameters of another time."""
    hasher = type(
        "OlderHasher",
        (Argon2Hasher,),
        {"time_cost": time_cost, "memory_cost": memory_cost},
    )()
    user = make_user(email="anna@example.com")
    encoded = hasher.encode(PASSWORD, hasher.salt())
    User.objects.filter(pk=user.pk).update(password=encoded)


def test_a_guess_at_nobody_costs_todays_work(work):
    assert authenticate(username="nobody@example.com", password=GUESS) is None

    assert sum(work) == TODAY


@pytest.mark.parametrize(("time_cost", "memory_cost"), OLDER)
def test_a_guess_at_a_cheaper_hash_costs_as_much(work, time_cost, memory_cost):
    make_person(time_cost, memory_cost)
    work.clear()

    assert authenticate(username="anna@example.com", password=GUESS) is None

    # Less by no more than what is lost in whole numbers, and Argon2's least memory.
    assert TODAY - 8 * Argon2Hasher.time_cost <= sum(work) <= TODAY


def test_a_guess_at_todays_hash_costs_no_more(work):
    make_person(Argon2Hasher.time_cost, Argon2Hasher.memory_cost)
    work.clear()

    assert authenticate(username="anna@example.com", password=GUESS) is None

    assert work == [TODAY]


def test_the_right_password_is_hashed_anew_and_makes_up_for_nothing(work):
    make_person(1, 4_096)
    work.clear()

    assert authenticate(username="anna@example.com", password=PASSWORD)

    assert work == [4_096, TODAY]
