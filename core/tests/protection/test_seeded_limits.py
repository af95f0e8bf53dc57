"""One set of limits, whichever way a database came by it."""

from importlib import import_module

import pytest
from django.apps import apps

from core.models import RateLimitPolicy, RouteWeight

pytestmark = pytest.mark.django_db
BEFORE = (
    "0004_seed_rate_limits",
    "0006_seed_limits_of_guessing",
    "0010_seed_key_limits",
    "0011_seed_limits_of_account_forms",
)
SETTLING = "0013_one_set_of_sign_in_limits"
FORMS = "/api/v1/auth"
# What accounts' 0019 wrote into the databases of the time, where no such name was yet.
ONCE = [
    ("register", "ip", "register", 20),
    ("verify-email", "ip", "verify-email", 60),
    ("verify-again", "account", "resend-verification", 3),
    ("verify-again-address", "ip", "resend-verification", 20),
    ("reset-password", "ip", "reset-password", 20),
    ("confirm-email", "ip", "confirm-email", 60),
    ("change-password", "principal", "change-password", 10),
    ("change-email", "principal", "change-email", 10),
]


def run(*names):
    for name in names:
        import_module(f"core.migrations.{name}").seed(apps, None)


def seed_as_accounts_once_did():
    for name, per, form, quota in ONCE:
        fields = {
            "per": per,
            "method": "POST",
            "path": f"{FORMS}/{form}",
            "quota": quota,
            "window_seconds": 3600,
            "is_strict": True,
        }
        RateLimitPolicy.objects.get_or_create(name=name, defaults=fields)


def table():
    rows = RateLimitPolicy.objects.values()
    return sorted([row | {"id": None} for row in rows], key=str)


@pytest.fixture(autouse=True)
def _empty(db):
    empty()


def empty():
    RateLimitPolicy.objects.all().delete()
    RouteWeight.objects.all().delete()


@pytest.fixture
def fresh(db):
    run(*BEFORE, SETTLING)
    found = table()
    empty()
    return found


@pytest.mark.parametrize("place", [2, 3, 4])
def test_a_migrated_database_ends_up_as_a_fresh_one(fresh, place):
    """``place``: after how many of core's own the accounts' seeds came."""
    run(*BEFORE[:place])
    seed_as_accounts_once_did()
    run(*BEFORE[place:])
    assert table() != fresh

    run(SETTLING)

    assert table() == fresh


def test_no_form_has_two_limits_of_one_sort(fresh):
    run(*BEFORE, SETTLING)
    kinds = list(
        RateLimitPolicy.objects.exclude(path="*").values_list(
            "path", "per", "window_seconds"
        )
    )

    assert len(kinds) == len(set(kinds))
    assert not RateLimitPolicy.objects.filter(path__startswith="/admin").exists()


@pytest.mark.parametrize("name", ["admin-login", "verify-again", "change-password"])
def test_what_a_shop_has_changed_stays(name):
    run(*BEFORE[:2])
    seed_as_accounts_once_did()
    run(*BEFORE[2:])
    own = RateLimitPolicy.objects.get(name=name)
    own.quota = 2
    own.save(update_fields=["quota"])

    run(SETTLING)

    assert RateLimitPolicy.objects.get(name=name).quota == 2


@pytest.mark.parametrize("change", [{"quota": 50}, {"is_enforced": False}, None])
def test_no_door_loses_its_limit_to_a_looser_one(change):
    run(*BEFORE)
    other = RateLimitPolicy.objects.filter(name="login-account")
    other.delete() if change is None else other.update(**change)

    run(SETTLING)

    assert RateLimitPolicy.objects.get(name="admin-login-account").quota == 5
    assert not RateLimitPolicy.objects.filter(name="admin-login").exists()
