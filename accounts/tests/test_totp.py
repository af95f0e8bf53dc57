from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from accounts.auth import Device
from accounts.constants import Method
from accounts.exceptions import InvalidCodeError, TotpInUseError
from accounts.models import ActivityEntry, RecoveryCode, TotpDevice
from accounts.services import (
    begin_totp,
    confirm_totp,
    remove_totp,
    renew_recovery_codes,
    spend_code,
)
from accounts.tests.authenticators import code_at
from accounts.tests.factories import make_user
from core.exceptions import NotFoundError
from core.models import OutboxEvent
from core.tests.racing import race

PHONE = Device(name="Phone", address="203.0.113.9", user_agent="App/1")
STEP = timedelta(seconds=30)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def anna(db):
    return make_user(email="anna@example.com")


def enrol(user, now):
    """Set up an app a while ago, so that the present step is fresh."""
    earlier = now - 10 * STEP
    secret = begin_totp(user=user, now=earlier).secret
    code = code_at(secret, earlier)
    return secret, confirm_totp(user=user, code=code, device=PHONE, now=earlier)


def spend(user, code, now):
    return spend_code(user_id=user.pk, code=code, device=PHONE, now=now)


def test_an_offer_says_everything_an_app_needs(anna, now, settings):
    settings.SHOP_NAME = "Harbour & Sons"

    offer = begin_totp(user=anna, now=now)

    assert offer.otpauth_uri == (
        f"otpauth://totp/Harbour%20%26%20Sons:anna%40example.com?secret={offer.secret}"
        "&issuer=Harbour%20%26%20Sons"
    )
    assert offer.qr_svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    # 160 bits, as RFC 4226 asks.
    assert len(offer.secret) == 32


def test_the_seed_rests_encrypted(anna, now):
    secret = begin_totp(user=anna, now=now).secret

    with connection.cursor() as cursor:
        cursor.execute("SELECT seed FROM accounts_totpdevice")
        (stored,) = cursor.fetchone()
    assert secret not in stored
    assert TotpDevice.objects.get().seed == secret


def test_an_app_that_was_never_confirmed_opens_nothing(anna, now):
    secret = begin_totp(user=anna, now=now).secret

    assert spend(anna, code_at(secret, now), now) is None


def test_confirming_answers_ten_recovery_codes_and_tells_the_owner(anna, now):
    _, codes = enrol(anna, now)

    assert len(set(codes)) == 10
    assert all(len(code.replace("-", "")) == 24 for code in codes)
    stored = {bytes(row.code_hash) for row in RecoveryCode.objects.all()}
    assert len(stored) == 10
    assert not any(code.encode() in stored for code in codes)
    event = OutboxEvent.objects.get(name="accounts.factor_added")
    assert event.payload == {"user_id": str(anna.pk), "factor": "totp"}
    assert ActivityEntry.objects.get().details == {"factor": "totp"}


def test_a_wrong_code_confirms_nothing(anna, now):
    secret = begin_totp(user=anna, now=now).secret
    wrong = code_at(secret, now - 5 * STEP)

    with pytest.raises(InvalidCodeError):
        confirm_totp(user=anna, code=wrong, device=PHONE, now=now)

    assert not TotpDevice.objects.get().is_confirmed
    assert not RecoveryCode.objects.exists()


def test_another_offer_replaces_one_that_was_not_confirmed(anna, now):
    first = begin_totp(user=anna, now=now).secret
    second = begin_totp(user=anna, now=now).secret

    with pytest.raises(InvalidCodeError):
        confirm_totp(user=anna, code=code_at(first, now), device=PHONE, now=now)
    confirm_totp(user=anna, code=code_at(second, now), device=PHONE, now=now)


def test_a_confirmed_app_is_not_replaced(anna, now):
    enrol(anna, now)

    with pytest.raises(TotpInUseError):
        begin_totp(user=anna, now=now)


@pytest.mark.parametrize("steps", range(-3, 4))
def test_a_code_counts_for_its_step_and_one_before_and_after(anna, now, steps):
    secret, _ = enrol(anna, now)

    method = spend(anna, code_at(secret, now + steps * STEP), now)

    assert method == (Method.TOTP if abs(steps) <= 1 else None)


def test_the_confirming_code_is_used_up(anna, now):
    secret = begin_totp(user=anna, now=now).secret
    code = code_at(secret, now)
    confirm_totp(user=anna, code=code, device=PHONE, now=now)

    assert spend(anna, code, now) is None


def test_a_code_counts_once_and_no_older_one_after_it(anna, now):
    secret, _ = enrol(anna, now)
    older, code = code_at(secret, now - STEP), code_at(secret, now)

    assert spend(anna, code, now) == Method.TOTP
    assert spend(anna, code, now) is None
    assert spend(anna, older, now) is None
    assert spend(anna, code_at(secret, now + STEP), now) == Method.TOTP


@pytest.mark.parametrize(
    "code",
    [
        "",
        "0",
        "abcdef",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "000000000000",
        "-" * 30,
    ],
)
def test_what_is_no_code_opens_nothing(anna, now, code):
    enrol(anna, now)

    assert spend(anna, code, now) is None


def test_a_code_may_be_typed_with_blanks(anna, now):
    secret, codes = enrol(anna, now)
    code = code_at(secret, now)

    assert spend(anna, f" {code[:3]} {code[3:]} ", now) == Method.TOTP
    assert spend(anna, codes[0].lower().replace("-", " "), now) == Method.RECOVERY_CODE


def test_a_recovery_code_counts_once_and_says_how_many_are_left(anna, now):
    _, codes = enrol(anna, now)

    assert spend(anna, codes[3], now) == Method.RECOVERY_CODE
    assert spend(anna, codes[3], now) is None
    event = OutboxEvent.objects.get(name="accounts.recovery_code_used")
    assert event.payload == {"user_id": str(anna.pk), "codes_left": 9}


def test_codes_are_their_owners_alone(anna, now):
    secret, codes = enrol(anna, now)
    bob = make_user(email="bob@example.com")
    enrol(bob, now)

    assert spend(bob, codes[0], now) is None
    assert spend(bob, code_at(secret, now), now) is None


def test_new_recovery_codes_replace_the_old(anna, now):
    _, codes = enrol(anna, now)

    fresh = renew_recovery_codes(user=anna, device=PHONE, now=now)

    assert spend(anna, codes[0], now) is None
    assert spend(anna, fresh[0], now) == Method.RECOVERY_CODE


def test_removing_the_app_removes_its_recovery_codes(anna, now):
    secret, codes = enrol(anna, now)

    remove_totp(user=anna, device=PHONE, now=now)

    assert spend(anna, code_at(secret, now), now) is None
    assert spend(anna, codes[0], now) is None
    assert OutboxEvent.objects.filter(name="accounts.factor_removed").count() == 1
    for gone in (remove_totp, renew_recovery_codes):
        with pytest.raises(NotFoundError):
            gone(user=anna, device=PHONE, now=now)


RACERS = 8


@pytest.fixture
def racing_anna(transactional_db):
    return make_user(email="anna@example.com")


@pytest.fixture
def uncondition(monkeypatch):
    """Take the condition out of the UPDATE: read, compare, write, as one shouldn't."""

    def remove(model):
        real = QuerySet.update

        def update(self, **changes):
            if self.model is model:
                self = model.objects.filter(pk=model.objects.first().pk)
            return real(self, **changes)

        monkeypatch.setattr(QuerySet, "update", update)

    return remove


def winners(user, code, now):
    spent = race([lambda: spend(user, code, now)] * RACERS)
    assert all(one is None or isinstance(one, Method) for one in spent), spent
    return sum(one is not None for one in spent)


def test_of_many_with_one_code_one_gets_in(racing_anna, now):
    secret, _ = enrol(racing_anna, now)

    assert winners(racing_anna, code_at(secret, now), now) == 1


def test_without_the_condition_many_would(racing_anna, now, uncondition):
    secret, _ = enrol(racing_anna, now)
    uncondition(TotpDevice)

    assert winners(racing_anna, code_at(secret, now), now) == RACERS


def test_of_many_with_one_recovery_code_one_gets_in(racing_anna, now):
    _, codes = enrol(racing_anna, now)

    assert winners(racing_anna, codes[0], now) == 1


def test_without_the_condition_a_recovery_code_would_let_many_in(
    racing_anna, now, uncondition
):
    _, codes = enrol(racing_anna, now)
    uncondition(RecoveryCode)

    assert winners(racing_anna, codes[0], now) == RACERS
