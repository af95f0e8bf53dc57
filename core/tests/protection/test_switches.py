"""Protections and breakers switched while the shop runs."""

import pytest
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry, BreakerControl, Switch
from core.protection import services, switches
from core.protection.breaker import State, breakers, get_breaker
from core.protection.circuit import Control
from core.protection.switches import SETTINGS, control_of, mode_of, switchboard
from core.tests.processes import running, wait_until

WATCHER = """
import django; django.setup()
from django.conf import settings
settings.PROTECTION_REFRESH_SECONDS = 2
import time
from core.protection.switches import control_of, mode_of
while True:
    print(mode_of("deadlines"), control_of("mail.send").closings, flush=True)
    time.sleep(0.1)
"""


@pytest.fixture(autouse=True)
def _fresh():
    switchboard.reset()
    yield
    switchboard.reset()
    breakers.clear()


def switch(name, mode):
    services.set_switch(name=name, mode=mode, actor_id=None)
    switchboard.refresh()


@pytest.mark.django_db(transaction=True)
def test_every_process_follows_a_switch_within_five_seconds():
    with running("-c", WATCHER) as one, running("-c", WATCHER) as two:
        processes = (one, two)
        for process in processes:
            assert process.stdout.readline() == b"enforce 0\n"

        services.set_switch(name="deadlines", mode="off", actor_id=None)
        services.close_breaker(name="mail.send", actor_id=None)
        changed_at = timezone.now()

        for process in processes:
            wait_until(lambda p=process: p.stdout.readline() == b"off 1\n", seconds=5)
        assert (timezone.now() - changed_at).total_seconds() < 5


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "setting"), SETTINGS.items())
def test_the_environment_decides_until_people_do(settings, name, setting):
    setattr(settings, setting, "log_only")
    assert mode_of(name) == "log_only"

    switch(name, "off")
    assert mode_of(name) == "off"
    others = {n: mode_of(n) for n in SETTINGS if n != name}
    assert others == {n: getattr(settings, SETTINGS[n]) for n in others}

    switch(name, "")
    assert mode_of(name) == "log_only"


def test_there_is_a_switch_for_each_protection():
    assert set(Switch.Name.values) == set(SETTINGS)


@pytest.mark.django_db
def test_asking_costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        mode_of("rate_limit")
        control_of("mail.send")


@pytest.mark.django_db
def test_positions_are_read_in_two_queries(django_assert_num_queries):
    for number in range(3):
        BreakerControl.objects.create(name=f"b{number}")

    with django_assert_num_queries(2):
        switchboard.refresh()


@pytest.mark.django_db
def test_with_the_database_out_the_last_positions_hold(monkeypatch):
    switch("deadlines", "off")

    def unreachable():
        raise OperationalError

    monkeypatch.setattr(switches, "_load", unreachable)
    switchboard.refresh()

    assert mode_of("deadlines") == "off"


@pytest.mark.django_db
def test_a_breaker_does_what_its_control_says(settings):
    settings.BREAKER_MODE = "enforce"
    services.control_breaker(name="mail.send", state="forced_open", actor_id=None)
    switchboard.refresh()
    mail, payments = get_breaker("mail.send"), get_breaker("payments.authorize")
    mail.follow()
    payments.follow()
    assert (mail.state, payments.state) == (State.FORCED_OPEN, State.CLOSED)

    services.close_breaker(name="mail.send", actor_id=None)
    switchboard.refresh()
    mail.follow()

    assert mail.state is State.CLOSED


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("mode", "control"),
    [
        ("enforce", Control(State.FORCED_OPEN)),
        ("log_only", Control(State.METRICS_ONLY)),
        ("off", Control(State.DISABLED)),
    ],
)
def test_the_switch_for_all_breakers_goes_before_their_own(mode, control):
    services.control_breaker(name="mail.send", state="forced_open", actor_id=None)

    switch("breakers", mode)

    assert control_of("mail.send") == control


@pytest.mark.django_db
def test_rate_limits_follow_their_switch(api, limits):
    limits(quota=1)
    switch("rate_limit", "off")
    address = "/api/v1/nothing"

    assert [api.get(address).status_code for _ in range(3)] == [404] * 3
    switch("rate_limit", "enforce")

    assert [api.get(address).status_code for _ in range(3)] == [404, 429, 429]


@pytest.mark.django_db
def test_every_change_is_audited(customer):
    actor = customer.pk
    services.set_switch(name="deadlines", mode="off", actor_id=actor)
    services.set_switch(name="deadlines", mode="off", actor_id=actor)
    services.set_switch(name="deadlines", mode="log_only", actor_id=actor)
    services.set_switch(name="deadlines", mode="", actor_id=actor)
    services.set_switch(name="deadlines", mode="", actor_id=actor)
    services.control_breaker(name="mail.send", state="disabled", actor_id=actor)
    services.close_breaker(name="mail.send", actor_id=actor)

    entries = AuditEntry.objects.order_by("id")
    assert [(e.action, e.before, e.after) for e in entries] == [
        ("core.switch_added", {}, {"name": "deadlines", "mode": "off"}),
        ("core.switch_changed", {"mode": "off"}, {"mode": "log_only"}),
        ("core.switch_deleted", {"name": "deadlines", "mode": "log_only"}, {}),
        (
            "core.breakercontrol_added",
            {},
            {"name": "mail.send", "state": "disabled", "closings": 0},
        ),
        (
            "core.breakercontrol_changed",
            {"state": "disabled", "closings": 0},
            {"state": "automatic", "closings": 1},
        ),
    ]
    assert {entry.actor_id for entry in entries} == {actor}


@pytest.mark.django_db
def test_an_administrator_switches_in_the_admin(client, staff):
    user = staff("admin")
    client.force_login(user)

    add = reverse("admin:core_switch_add")
    assert client.post(add, {"name": "deadlines", "mode": "off"}).status_code == 302
    add = reverse("admin:core_breakercontrol_add")
    form = {"name": "mail.send", "state": "forced_open"}
    assert client.post(add, form).status_code == 302

    assert Switch.objects.get().mode == "off"
    assert BreakerControl.objects.get().state == "forced_open"
    assert {e.actor_id for e in AuditEntry.objects.all()} == {user.pk}


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["support", "catalog_manager", "warehouse"])
def test_other_roles_see_no_switches(client, staff, role):
    client.force_login(staff(role))

    for model in ("switch", "breakercontrol"):
        address = reverse(f"admin:core_{model}_changelist")
        assert client.get(address).status_code == 403
