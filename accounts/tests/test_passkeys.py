from datetime import timedelta
from itertools import permutations
from os import urandom

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db.models import QuerySet
from django.utils import timezone

from accounts.auth import Device
from accounts.exceptions import (
    LastSignInMethodError,
    PasskeyRefusedError,
    TooManyPasskeysError,
)
from accounts.models import Ceremony, Passkey
from accounts.services import (
    forget_ceremonies,
    passkey_registration_options,
    passkey_sign_in_options,
    prove_passkey,
    register_passkey,
    remove_passkey,
    rename_passkey,
)
from accounts.tests.authenticators import (
    USER_PRESENT,
    USER_VERIFIED,
    Authenticator,
    encoded,
)
from accounts.tests.factories import make_user
from core.exceptions import NotFoundError
from core.models import OutboxEvent
from core.tests.racing import race

Kind = Ceremony.Kind
LAPTOP = Device(name="Laptop", address="203.0.113.9", user_agent="Firefox/140")
ELSEWHERE = Device(name="Laptop", address="203.0.113.9", user_agent="curl/8")


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def anna(db):
    return make_user(email="anna@example.com", name="Anna Smith")


@pytest.fixture
def key():
    return Authenticator()


def register(user, key, now, *, device=LAPTOP, options=None, **lies):
    options = options or passkey_registration_options(user=user, device=LAPTOP, now=now)
    return register_passkey(
        user=user,
        credential=key.create(options, **lies),
        name="Laptop",
        device=device,
        now=now,
    )


def kind_for(user):
    return Kind.PASSKEY_SIGN_IN if user is None else Kind.STEP_UP


def ask(now, *, user=None, kind=None):
    kind = kind or kind_for(user)
    return passkey_sign_in_options(kind=kind, device=LAPTOP, now=now, user=user)


def prove(key, now, *, device=LAPTOP, options=None, user=None, kind=None, **lies):
    options = options or ask(now, user=user, kind=kind)
    return prove_passkey(
        kind=kind or kind_for(user),
        credential=key.get(options, **lies),
        device=device,
        now=now,
        user=user,
    )


def test_options_ask_for_a_discoverable_key_and_its_users_verification(anna, now):
    options = passkey_registration_options(user=anna, device=LAPTOP, now=now)

    assert options["rp"] == {"id": "localhost", "name": "Shopwright"}
    assert options["user"] == {
        "id": encoded(anna.pk.bytes),
        "name": "anna@example.com",
        "displayName": "Anna Smith",
    }
    selection = options["authenticatorSelection"]
    assert selection["residentKey"] == selection["userVerification"] == "required"
    assert {one["alg"] for one in options["pubKeyCredParams"]} == {-7, -8, -257}


def test_a_passkey_signs_its_owner_in(anna, key, now):
    passkey = register(anna, key, now)

    assert prove(key, now) == anna
    passkey.refresh_from_db()
    assert (passkey.sign_count, passkey.last_used_at) == (2, now)
    event = OutboxEvent.objects.get(name="accounts.factor_added")
    assert event.payload == {"user_id": str(anna.pk), "factor": "passkey"}


def test_known_passkeys_are_not_made_again(anna, key, now):
    register(anna, key, now)

    options = passkey_registration_options(user=anna, device=LAPTOP, now=now)

    assert [one["id"] for one in options["excludeCredentials"]] == [
        encoded(key.credential_id)
    ]


LIES = {
    "another origin": {"origin": "https://evil.example"},
    "its subdomain": {"origin": "http://www.localhost:8000"},
    "another port": {"origin": "http://localhost:8001"},
    "another site's frame": {"cross_origin": True},
    "another challenge": {"challenge": encoded(urandom(64))},
    "another ceremony": {"type": "webauthn.other"},
    "another site's key": {"rp_id": "evil.example"},
    "nobody verified": {"flags": USER_PRESENT},
    "nobody present": {"flags": USER_VERIFIED},
}
each_lie = pytest.mark.parametrize("lies", LIES.values(), ids=LIES)


@each_lie
def test_registration_refuses_what_does_not_fit(anna, key, now, lies):
    with pytest.raises(PasskeyRefusedError):
        register(anna, key, now, **lies)

    assert not Passkey.objects.exists()


ASSERTION_LIES = LIES | {
    "another key": {"signing_key": ec.generate_private_key(ec.SECP256R1())},
    "no signature": {"signature": b""},
    "another person": {"user_handle": encoded(urandom(16))},
    "nobody's": {"user_handle": ""},
}


@pytest.mark.parametrize("lies", ASSERTION_LIES.values(), ids=ASSERTION_LIES)
def test_sign_in_refuses_what_does_not_fit(anna, key, now, lies):
    register(anna, key, now)

    with pytest.raises(PasskeyRefusedError):
        prove(key, now, **lies)

    assert prove(key, now) == anna


def test_a_registration_counts_once(anna, key, now):
    options = passkey_registration_options(user=anna, device=LAPTOP, now=now)
    register(anna, key, now, options=options)

    with pytest.raises(PasskeyRefusedError):
        register(anna, Authenticator(), now, options=options)


def test_an_answer_counts_once(anna, key, now):
    key.counts = False
    register(anna, key, now)
    options = ask(now)

    assert prove(key, now, options=options) == anna
    with pytest.raises(PasskeyRefusedError):
        prove(key, now, options=options)


def test_a_challenge_is_one_devices_and_for_minutes(anna, key, now):
    register(anna, key, now)

    with pytest.raises(PasskeyRefusedError):
        prove(key, now, device=ELSEWHERE)
    options = ask(now)
    with pytest.raises(PasskeyRefusedError):
        prove(key, now + timedelta(minutes=5), options=options)


def test_a_challenge_is_for_one_purpose(anna, key, now):
    register(anna, key, now)
    sign_in = ask(now)
    step_up = ask(now, user=anna)

    with pytest.raises(PasskeyRefusedError):
        prove(key, now, options=step_up)
    with pytest.raises(PasskeyRefusedError):
        prove(key, now, options=sign_in, user=anna)
    with pytest.raises(PasskeyRefusedError):
        register(anna, Authenticator(), now, options=_as_creation(sign_in, anna))


OF_ANYBODY = [Kind.PASSKEY_SIGN_IN, Kind.ADMIN_SIGN_IN]
OF_ONE = [Kind.STEP_UP, Kind.ADMIN_MFA_PASSKEY, Kind.ADMIN_STEP_UP]


@pytest.mark.parametrize("kinds", [OF_ANYBODY, OF_ONE])
def test_the_doors_purposes_are_told_apart(anna, key, now, kinds):
    user = anna if kinds is OF_ONE else None
    register(anna, key, now)

    for asked, answered in permutations(kinds, 2):
        options = ask(now, user=user, kind=asked)
        with pytest.raises(PasskeyRefusedError):
            prove(key, now, options=options, user=user, kind=answered)
        assert prove(key, now, options=options, user=user, kind=asked) == anna


def _as_creation(options, user):
    more = {"rp": {"id": "localhost"}, "user": {"id": encoded(user.pk.bytes)}}
    return options | more


def test_a_registration_is_for_the_user_who_asked(anna, key, now):
    bob = make_user(email="bob@example.com")
    options = passkey_registration_options(user=anna, device=LAPTOP, now=now)

    with pytest.raises(PasskeyRefusedError):
        register(bob, key, now, options=options)


def test_stepping_up_takes_ones_own_passkey(anna, key, now):
    register(anna, key, now)
    bob = make_user(email="bob@example.com")
    his = Authenticator()
    register(bob, his, now)

    assert prove(key, now, user=anna) == anna
    with pytest.raises(PasskeyRefusedError):
        prove(his, now, user=anna)


def test_a_passkey_is_one_persons(anna, key, now):
    register(anna, key, now)

    with pytest.raises(PasskeyRefusedError):
        register(make_user(email="bob@example.com"), key, now)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_count_that_did_not_grow_is_refused_and_told(anna, key, now, count):
    passkey = register(anna, key, now)
    prove(key, now)

    with pytest.raises(PasskeyRefusedError):
        prove(key, now, count=count)

    event = OutboxEvent.objects.get(name="accounts.passkey_counter_regressed")
    assert event.payload == {"user_id": str(anna.pk), "passkey_id": str(passkey.pk)}
    passkey.refresh_from_db()
    assert passkey.sign_count == 2


def test_nobody_else_can_have_the_owner_told(anna, key, now):
    register(anna, key, now)

    with pytest.raises(PasskeyRefusedError):
        prove(key, now, count=0, signing_key=ec.generate_private_key(ec.SECP256R1()))

    assert not OutboxEvent.objects.filter(
        name="accounts.passkey_counter_regressed"
    ).exists()


def test_a_passkey_that_never_counts_is_taken_every_time(anna, key, now):
    key.counts = False
    register(anna, key, now)

    assert prove(key, now) == prove(key, now) == anna


def test_a_closed_account_is_not_opened(anna, key, now):
    register(anna, key, now)
    type(anna).objects.filter(pk=anna.pk).update(is_active=False)

    with pytest.raises(PasskeyRefusedError):
        prove(key, now)


RUBBISH = [
    {},
    {"id": "x"},
    {"id": "é", "response": {"clientDataJSON": "e30"}},
    {"id": "x", "response": {"clientDataJSON": "AAAA"}},
    {"id": "x", "response": {"clientDataJSON": encoded(b"[]")}},
    {"id": "x", "response": {"clientDataJSON": encoded(b'{"challenge": 5}')}},
    {"id": "x", "response": {"clientDataJSON": encoded(b'{"challenge": "x"}')}},
    {"id": "x", "response": {"clientDataJSON": "e30", "userHandle": "AA"}},
]


@pytest.mark.parametrize("credential", RUBBISH)
def test_rubbish_is_refused_like_anything_else(anna, now, credential):
    with pytest.raises(PasskeyRefusedError):
        prove_passkey(
            kind=Kind.PASSKEY_SIGN_IN, credential=credential, device=LAPTOP, now=now
        )
    with pytest.raises(PasskeyRefusedError):
        register_passkey(
            user=anna, credential=credential, name="x", device=LAPTOP, now=now
        )


@pytest.mark.parametrize("member", ["attestationObject", "clientDataJSON"])
def test_rubbish_inside_an_honest_frame_is_refused(anna, key, now, member):
    options = passkey_registration_options(user=anna, device=LAPTOP, now=now)
    credential = key.create(options)
    credential["response"][member] = encoded(urandom(200))

    with pytest.raises(PasskeyRefusedError):
        register_passkey(
            user=anna, credential=credential, name="x", device=LAPTOP, now=now
        )


def test_twenty_passkeys_are_enough(anna, now):
    for _ in range(20):
        register(anna, Authenticator(), now)

    with pytest.raises(TooManyPasskeysError):
        register(anna, Authenticator(), now)


def test_renaming_and_removing_are_the_owners(anna, key, now):
    passkey = register(anna, key, now)
    bob = make_user(email="bob@example.com")

    assert rename_passkey(user=anna, passkey_id=passkey.pk, name="Old").name == "Old"
    with pytest.raises(NotFoundError):
        rename_passkey(user=bob, passkey_id=passkey.pk, name="Mine")
    with pytest.raises(NotFoundError):
        remove_passkey(user=bob, passkey_id=passkey.pk, device=LAPTOP, now=now)
    remove_passkey(user=anna, passkey_id=passkey.pk, device=LAPTOP, now=now)
    with pytest.raises(PasskeyRefusedError):
        prove(key, now)


def test_the_last_way_in_stays(now, db):
    user = make_user(email="keys@example.com", password=None)
    first = register(user, Authenticator(), now)
    second = register(user, Authenticator(), now)

    remove_passkey(user=user, passkey_id=first.pk, device=LAPTOP, now=now)
    with pytest.raises(LastSignInMethodError):
        remove_passkey(user=user, passkey_id=second.pk, device=LAPTOP, now=now)


def test_old_ceremonies_are_forgotten(anna, key, now):
    register(anna, key, now)
    ask(now)

    assert forget_ceremonies(now=now) == 0
    assert forget_ceremonies(now=now + timedelta(minutes=6)) == 2


RACERS = 6


def answer_many_times(key, now):
    options = ask(now)
    credential = key.get(options)
    outcomes = race(
        [
            lambda: prove_passkey(
                kind=Kind.PASSKEY_SIGN_IN, credential=credential, device=LAPTOP, now=now
            )
        ]
        * RACERS
    )
    return sum(not isinstance(one, Exception) for one in outcomes)


@pytest.fixture
def uncounting(transactional_db, now):
    key = Authenticator(counts=False)
    register(make_user(email="anna@example.com"), key, now)
    return key


def test_of_many_with_one_answer_one_gets_in(uncounting, now):
    assert answer_many_times(uncounting, now) == 1


def test_without_the_condition_many_would(uncounting, now, monkeypatch):
    real = QuerySet.update

    def update(self, **changes):
        if self.model is Ceremony:
            self = Ceremony.objects.all()
        return real(self, **changes)

    monkeypatch.setattr(QuerySet, "update", update)

    assert answer_many_times(uncounting, now) == RACERS
