"""The breakers of a process, which learn from each other through Valkey."""

import pytest

from core.exceptions import CircuitOpenError
from core.protection import breaker as breakers_module
from core.protection.breaker import (
    SharedOpenings,
    State,
    all_breakers,
    breakers,
    get_breaker,
)
from core.protection.line import Line


class ProviderError(Exception):
    pass


pytestmark = pytest.mark.usefixtures("breakers_on")


def fail(breaker, times=10):
    for _ in range(times):
        with pytest.raises(ProviderError), breaker.calling():
            raise ProviderError


def be_another_process():
    breakers.clear()


def test_there_is_one_breaker_for_each_name():
    assert get_breaker("mail.send") is get_breaker("mail.send")
    assert get_breaker("mail.send") is not get_breaker("payments.authorize")
    names = [b.name for b in all_breakers() if not b.name.startswith("valkey.")]
    assert names == ["mail.send", "payments.authorize"]


def test_a_new_process_hears_that_a_dependency_is_out():
    fail(get_breaker("payments.authorize"))
    be_another_process()

    with (
        pytest.raises(CircuitOpenError) as refusal,
        get_breaker("payments.authorize").calling(),
    ):
        pass

    assert 1 <= refusal.value.retry_after <= 5
    with get_breaker("payments.find").calling():
        pass


def test_what_is_shared_ends_by_itself():
    SharedOpenings().announce("mail.send", 0.05)
    assert 0 < SharedOpenings().remaining("mail.send") <= 0.05
    SharedOpenings().announce("mail.send", 60)
    assert 59 < SharedOpenings().remaining("mail.send") <= 60
    SharedOpenings().retract("mail.send")

    assert SharedOpenings().remaining("mail.send") == 0


def test_without_valkey_each_process_finds_out_by_itself(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(breakers_module, "line", Line())
    breaker = get_breaker("mail.send")

    fail(breaker)
    assert breaker.state is State.OPEN
    breaker.move(State.CLOSED)
    with breaker.calling():
        pass


@pytest.mark.parametrize(
    ("mode", "state"),
    [("off", State.DISABLED), ("log_only", State.METRICS_ONLY)],
)
def test_the_mode_decides_over_all_breakers(settings, mode, state):
    breaker = get_breaker("mail.send")
    fail(breaker)
    settings.BREAKER_MODE = mode

    fail(breaker, times=30)
    assert breaker.state is state
    settings.BREAKER_MODE = "enforce"
    fail(breaker, times=9)

    assert breaker.state is State.CLOSED
