"""Of two who each take away the last but one, one is refused; two who come first are one.

Each race has a control: without the lock or the constraint it ends badly.
"""

from threading import Barrier, local

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.exceptions import (
    LastAdminError,
    LastSignInMethodError,
    OutrankedError,
)
from accounts.models import Identity, Passkey, User
from accounts.services import (
    _admins,
    _identities,
    _passkeys,
    change_roles,
    deactivate_user,
    remove_passkey,
    request_erasure,
    unlink_identity,
)
from accounts.tests.factories import PHONE, make_user
from accounts.tests.oauth_flow import EMAIL, begin, finish
from core.tests.racing import race

pytestmark = pytest.mark.django_db(transaction=True)
FIRST_SIGN_INS = 4


def demote(user, actor):
    change_roles(user_id=user.pk, roles=["customer"], actor=actor, now=timezone.now())


def close(user, actor):
    deactivate_user(user_id=user.pk, actor=actor, now=timezone.now())


def leave(_, actor):
    request_erasure(user_id=actor.pk, device=None, now=timezone.now())


each_way = pytest.mark.parametrize(
    "ways", [(demote, demote), (close, close), (leave, leave), (close, demote)]
)


def two_admins_at_once(ways):
    first, second = make_user(roles=("admin",)), make_user(roles=("admin",))
    one, other = ways
    return race([lambda: one(second, first), lambda: other(first, second)])


def admins():
    return User.objects.active().filter(groups__name="admin", erase_after=None).count()


@each_way
def test_of_two_admins_who_go_at_once_one_stays(ways):
    outcomes = two_admins_at_once(ways)

    # Whoever comes second is the last one, or no admin any more.
    refusals = {LastAdminError, OutrankedError}
    assert [type(o) in refusals for o in outcomes].count(True) == 1
    assert outcomes.count(None) == 1
    assert admins() == 1


@each_way
def test_without_the_lock_both_admins_go(ways, monkeypatch):
    """The control: both have written and looked before either's work is to be seen."""
    barrier, has_admin = Barrier(2), _admins.has_admin

    def look_together():
        found = has_admin()
        barrier.wait(30)
        return found

    monkeypatch.setattr(_admins, "has_admin", look_together)
    monkeypatch.setattr(_admins, "lock_admins", lambda: None)

    assert two_admins_at_once(ways) == [None, None]
    assert admins() == 0


def give_passkey(user):
    number = Passkey.objects.count()
    return Passkey.objects.create(
        user=user,
        name="Laptop",
        credential_id=bytes([number]),
        public_key=b"-",
        sign_count=0,
        transports=[],
        is_backed_up=False,
        created_at=timezone.now(),
    )


def give_identity(user):
    return Identity.objects.create(
        user=user,
        provider="fake",
        issuer="https://issuer.example.com",
        subject=str(Identity.objects.count()),
        created_at=timezone.now(),
    )


def take(way):
    given = {"user": way.user, "device": PHONE, "now": timezone.now()}
    if isinstance(way, Passkey):
        remove_passkey(passkey_id=way.pk, **given)
    else:
        unlink_identity(identity_id=way.pk, **given)


def take_both(kinds):
    """Give somebody without a password two ways to sign in, and take both at once."""
    user = make_user(password=None)
    ways = [give(user) for give in kinds]
    return race([lambda way=way: take(way) for way in ways])


def ways_in():
    return Passkey.objects.count() + Identity.objects.count()


each_pair = pytest.mark.parametrize(
    "kinds",
    [
        (give_passkey, give_passkey),
        (give_identity, give_identity),
        (give_passkey, give_identity),
    ],
)


@each_pair
def test_of_two_ways_in_that_are_taken_at_once_one_stays(kinds):
    outcomes = take_both(kinds)

    assert outcomes.count(None) == 1
    assert [type(o) for o in outcomes if o] == [LastSignInMethodError]
    assert ways_in() == 1


@each_pair
def test_without_the_lock_both_ways_in_are_taken(kinds, monkeypatch):
    """The control: both have looked before one of them removes."""
    barrier = Barrier(2)
    has_way_in = _passkeys.has_way_in

    def look_together(*args, **named):
        found = has_way_in(*args, **named)
        barrier.wait(30)
        return found

    monkeypatch.setattr(_passkeys, "has_way_in", look_together)
    monkeypatch.setattr(_identities, "has_way_in", look_together)
    monkeypatch.setattr(User.objects, "select_for_update", User.objects.all)

    assert take_both(kinds) == [None, None]
    assert ways_in() == 0


@pytest.fixture
def _looking_together(monkeypatch):
    """Have all looked whose the identity is before one of them makes it somebody's."""
    barrier, owner_of, seen = Barrier(FIRST_SIGN_INS), _identities._owner_of, local()  # noqa: SLF001 -- to hold it up

    def look(*args):
        found = owner_of(*args)
        if not hasattr(seen, "once"):
            seen.once = True
            barrier.wait(30)
        return found

    monkeypatch.setattr(_identities, "_owner_of", look)


def sign_in_first(api, issuer):
    answers = [issuer.authorize(begin(api)) for _ in range(FIRST_SIGN_INS)]
    return race([lambda back=back: finish(APIClient(), back) for back in answers])


@pytest.mark.usefixtures("_looking_together")
def test_first_sign_ins_at_once_reach_one_account(api, issuer):
    responses = sign_in_first(api, issuer)

    assert [response.status_code for response in responses] == [200] * FIRST_SIGN_INS
    assert [r.json()["user"]["email"] for r in responses] == [EMAIL] * FIRST_SIGN_INS
    assert User.objects.count() == Identity.objects.count() == 1


# How to take each away, and how to make it again; those that belong to a constraint first.
UNIQUE = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint
WHERE contype = 'u' AND conrelid IN ('accounts_identity'::regclass, 'accounts_user'::regclass)
UNION ALL SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
FROM pg_index
WHERE indrelid = 'accounts_user'::regclass AND indisunique
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


@pytest.fixture
def _without_uniqueness():
    with connection.cursor() as cursor:
        cursor.execute(UNIQUE)
        statements = cursor.fetchall()
        for drop, _ in statements:
            cursor.execute(drop)
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_user CASCADE")
        for _, make in statements:
            cursor.execute(make)


@pytest.mark.usefixtures("_looking_together", "_without_uniqueness")
def test_without_the_constraints_first_sign_ins_make_many_accounts(api, issuer):
    sign_in_first(api, issuer)

    assert User.objects.filter(email=EMAIL).count() == FIRST_SIGN_INS
    assert Identity.objects.count() == FIRST_SIGN_INS
