import time
from datetime import UTC, datetime, timedelta
from io import StringIO

import jwt
import pytest
import time_machine
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.auth import KeyRing, _callers, _signing_keys, key_ring
from accounts.models import SigningKey
from accounts.services import rotate_signing_key, rotate_signing_key_if_due
from accounts.tests.factories import make_tokens, make_user
from core.protection.keeper import keeper

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ACCESS = timedelta(minutes=15)


@pytest.fixture(autouse=True)
def refreshing(settings, monkeypatch):
    settings.SIGNING_KEYS_REFRESH_SECONDS = 30
    monkeypatch.setattr(_signing_keys, "monotonic", time.time)


def kid_of(pair):
    return jwt.get_unverified_header(pair.access)["kid"]


def ask(token):
    client = APIClient()
    headers = {"Authorization": f"Bearer {token}"}
    return client.get("/api/v1/auth/me", headers=headers).status_code


def test_the_first_sign_in_makes_the_first_key():
    user = make_user()

    pairs = [make_tokens(user) for _ in range(3)]

    assert {kid_of(pair) for pair in pairs} == {SigningKey.objects.get().kid}


def test_a_private_key_rests_encrypted():
    make_tokens(make_user())

    row = SigningKey.objects.values().get()
    assert row["secret"].startswith("test:")
    assert SigningKey.objects.get().secret not in row["secret"]


def test_a_rotation_refuses_nobody_on_any_node(monkeypatch):
    """Sign and read every five seconds, on two nodes that read the table when they do."""
    rings = [KeyRing(), KeyRing()]
    user = make_user()
    with time_machine.travel(NOW, tick=False) as moment:
        tokens, kids, refused = [], [], []
        for step in range(5 * 60):
            now = NOW + timedelta(seconds=5 * step)
            moment.move_to(now)
            if step == 10:
                rotate_signing_key(now=now)
            signer, reader = rings if step % 2 else rings[::-1]
            use_ring(monkeypatch, signer)
            pair = make_tokens(user)
            tokens.append((pair.access, now))
            kids.append(kid_of(pair))
            use_ring(monkeypatch, reader)
            tokens = [(t, made) for t, made in tokens if now - made < ACCESS]
            refused += [t for t in (tokens[0][0], tokens[-1][0]) if ask(t) != 200]

    assert refused == []
    assert len(set(kids)) == 2
    # From the third minute on it is the new one, everywhere.
    assert set(kids[: 10 + 24]) == {kids[0]}
    assert set(kids[10 + 24 + 6 :]) == {kids[-1]}


def use_ring(monkeypatch, ring):
    for module in ("auth._jwt", "auth._tokens", "services._signing_keys"):
        monkeypatch.setattr(f"accounts.{module}.key_ring", ring)


def test_a_former_key_is_dropped_when_its_last_token_is_over():
    make_tokens(make_user())
    former = SigningKey.objects.get()
    later = datetime.now(UTC)
    rotate_signing_key(now=later)

    former.refresh_from_db()
    end = former.verifies_until
    assert end - later == timedelta(minutes=19, seconds=5)
    rotate_signing_key_if_due(now=end - timedelta(seconds=1))
    assert SigningKey.objects.count() == 2
    rotate_signing_key_if_due(now=end)
    assert SigningKey.objects.count() == 1


def test_a_leaked_key_is_believed_no_longer():
    pair = make_tokens(make_user())
    assert ask(pair.access) == 200

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda call, **_: call())
        rotate_signing_key(now=datetime.now(UTC), is_leaked=True)

    assert ask(pair.access) == 401
    assert ask(make_tokens(make_user()).access) == 200


@pytest.fixture
def caller(settings, monkeypatch):
    """Somebody whom this node remembers, at a moment that tests move on."""
    settings.SIGNING_KEYS_REFRESH_SECONDS = 5
    settings.SESSION_CACHE_SECONDS = 3600
    monkeypatch.setattr(_callers, "_callers", {})
    monkeypatch.setattr(_callers, "monotonic", time.time)
    with time_machine.travel(NOW, tick=False) as moment:
        pair = make_tokens(make_user())
        assert ask(pair.access) == 200
        yield pair.access, moment


def test_another_node_refuses_a_leaked_key_after_five_seconds(caller):
    token, moment = caller
    rotate_signing_key(now=NOW, is_leaked=True)

    moment.move_to(NOW + timedelta(seconds=4.9))
    assert ask(token) == 200
    moment.move_to(NOW + timedelta(seconds=5))
    assert [ask(token), ask(token)] == [401, 401]


def test_another_node_refuses_it_whatever_its_clock_says(caller):
    token, moment = caller
    rotate_signing_key(now=NOW + timedelta(minutes=5), is_leaked=True)

    moment.move_to(NOW + timedelta(seconds=5))
    assert ask(token) == 401


def test_the_keeper_spares_requests_the_reading(caller, django_assert_num_queries):
    assert key_ring.keep_fresh in keeper._chores  # noqa: SLF001 -- a whole round does more
    token, moment = caller
    # What the answer itself shows.
    with CaptureQueriesContext(connection) as shown:
        ask(token)

    for seconds in (2, 4, 6, 8):
        moment.move_to(NOW + timedelta(seconds=seconds))
        key_ring.keep_fresh()
        moment.move_to(NOW + timedelta(seconds=seconds + 1.9))
        with django_assert_num_queries(len(shown)):
            assert ask(token) == 200

    rotate_signing_key(now=NOW, is_leaked=True)
    moment.move_to(NOW + timedelta(seconds=10))
    key_ring.keep_fresh()
    assert ask(token) == 401


def test_who_asked_before_does_not_undo_what_was_learned_since(caller, monkeypatch):
    token, moment = caller
    real = SigningKey.objects.filter

    def slowly(**lookups):
        """Read the table, and have another thread read it after a leak meanwhile."""
        rows = list(real(**lookups))
        monkeypatch.undo()
        rotate_signing_key(now=NOW, is_leaked=True)
        monkeypatch.setattr(_signing_keys, "monotonic", time.time)
        moment.move_to(NOW + timedelta(seconds=2))
        key_ring.load()
        return rows

    moment.move_to(NOW + timedelta(seconds=1))
    monkeypatch.setattr(SigningKey.objects, "filter", slowly)
    key_ring.load()

    assert ask(token) == 401


def test_keys_that_cannot_be_read_are_believed_for_five_seconds(caller, monkeypatch):
    token, moment = caller

    def fail():
        raise OperationalError

    monkeypatch.setattr(key_ring, "load", fail)
    moment.move_to(NOW + timedelta(seconds=4.9))
    key_ring.keep_fresh()
    assert ask(token) == 200
    moment.move_to(NOW + timedelta(seconds=5))
    assert ask(token) == 503


@pytest.mark.parametrize(("days", "is_due"), [(29, False), (30, True)])
def test_a_key_is_rotated_when_it_is_thirty_days_old(days, is_due):
    rotate_signing_key(now=NOW)

    made = rotate_signing_key_if_due(now=NOW + timedelta(days=days))

    assert (made is not None) == is_due
    assert SigningKey.objects.count() == 1 + is_due


def test_an_unknown_key_is_asked_for_once_a_second_at_most(
    django_assert_num_queries,
):
    with time_machine.travel(NOW, tick=False) as moment:
        make_tokens(make_user())
        moment.shift(2)
        with django_assert_num_queries(1):
            for _ in range(10):
                assert key_ring.find("0" * 32, now=NOW) is None


def test_the_command_says_when_the_new_key_signs():
    with time_machine.travel(NOW, tick=False):
        shown = StringIO()
        call_command("rotate_signing_key", stdout=shown)

    kid = SigningKey.objects.get().kid
    assert shown.getvalue() == f"EdDSA key {kid} signs from 12:02:00 UTC.\n"
