"""The page on which staff see and steer what protects the shop."""

import json
import time
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.models import AuditEntry, BreakerControl, Switch
from core.protection import services, traffic
from core.protection.breaker import State, get_breaker
from core.protection.counters import SLOT_SECONDS, counters
from core.protection.switches import switchboard

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("limits", "breakers_on")]
PAGE, FIGURES = "admin:core_traffic", "admin:core_traffic_figures"
SWITCH, CONTROL = "admin:core_traffic_switch", "admin:core_traffic_control"


@pytest.fixture(autouse=True)
def _quiet(settings):
    settings.RATE_LIMIT_MODE = "off"
    switchboard.reset()
    yield
    switchboard.reset()
    counters.reset()


@pytest.fixture
def boss(client, staff):
    user = staff("admin")
    client.force_login(user)
    client.user = user
    return client


@pytest.fixture
def mail():
    breaker = get_breaker("mail.send")
    for _ in range(10):
        with breaker.calling() as call:
            call.fail()
    return breaker


def send(client, address, **form):
    return client.post(reverse(address), form, follow=True)


def said(response):
    return [str(message) for message in response.context["messages"]]


def test_the_page_shows_switches_and_breakers(boss, mail):
    services.set_switch(name="deadlines", mode="log_only", actor_id=None)
    services.control_breaker(name="payments.find", state="disabled", actor_id=None)

    response = boss.get(reverse(PAGE))

    assert response.status_code == 200
    modes = {s["name"]: (s["mode"], s["is_by_hand"]) for s in traffic.switches()}
    assert modes["deadlines"] == ("log_only", True)
    assert modes["breakers"] == ("enforce", False)
    shown = {b["name"]: b for b in response.context["breakers"]}
    assert shown["mail.send"]["states"] == {"open": 1}
    assert shown["mail.send"]["control"].state == "automatic"
    assert shown["payments.find"]["states"] == {}
    assert shown["payments.find"]["control"].state == "disabled"


def test_the_page_needs_no_script_or_style_of_its_own(boss, mail):
    """A strict Content-Security-Policy lets only files run."""
    html = boss.get(reverse(PAGE)).content.decode()
    own = html[html.index('<div id="traffic"') :].rpartition("</table>")[0]

    assert "<script" not in own
    assert "style=" not in own
    assert "onclick" not in own
    assert 'src="/static/core/traffic.js"' in html
    script = Path(finders.find("core/traffic.js")).read_text()
    assert "http" not in script.replace("http://www.w3.org/2000/svg", "")
    assert "eval(" not in script
    assert "innerHTML" not in script


def test_the_page_costs_the_same_for_any_number_of_breakers(boss, settings):
    # As in a process that has seen the session a moment ago.
    settings.SESSION_CACHE_SECONDS = 5.0
    boss.get(reverse(PAGE))
    counts = []
    for number in (1, 3):
        for n in range(number):
            services.control_breaker(name=f"b{n}", state="disabled", actor_id=None)
        with CaptureQueriesContext(connection) as queries:
            boss.get(reverse(PAGE))
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 12


def test_figures_tell_what_was_counted_and_what_is_so(boss, mail, monkeypatch):
    moment = time.time() - 20
    monkeypatch.setattr(counters, "_clock", lambda: moment)
    counters.add("answers|200|30", "answers|200|30", "answers|429|50", "fallback")
    counters.flush()
    slot = int(moment) // SLOT_SECONDS

    figures = boss.get(reverse(FIGURES), {"after": slot - 1}).json()

    counts = {row["slot"]: row["counts"] for row in figures["slots"]}
    assert counts[slot] == {
        "answers": {"200|30": 2, "429|50": 1},
        "fallback": {"": 1},
    }
    assert min(counts) == slot
    assert figures["slot_seconds"] == SLOT_SECONDS
    assert figures["gauges"]["breaker_processes"]["mail.send|open"] == 1
    assert (figures["processes"], figures["valkey_out"]) == (1, False)


def test_only_settled_slots_of_the_last_ten_minutes_are_told():
    now = 1_000_000.0
    found = [row["slot"] for row in traffic.figures(after=0, now=now)["slots"]]

    newest = int(now) // SLOT_SECONDS - 2
    assert found == list(range(newest - 119, newest + 1))
    # Its end lies three seconds back at least.
    assert (newest + 1) * SLOT_SECONDS <= now - 3
    assert traffic.figures(after=newest, now=now)["slots"] == []


@pytest.mark.parametrize("after", ["", "x", "-1", "1" * 400, "\u0661"])
def test_figures_take_nonsense_for_the_beginning(boss, after):
    answer = boss.get(reverse(FIGURES), {"after": after})

    assert len(json.loads(answer.content)["slots"]) == 120


def test_an_administrator_switches_a_protection(boss):
    page = send(boss, SWITCH, name="breakers", mode="log_only")

    assert Switch.objects.get().mode == "log_only"
    assert said(page) == [
        "Circuit breakers: switched. Every process follows within five seconds."
    ]
    send(boss, SWITCH, name="breakers", mode="")
    assert not Switch.objects.exists()
    entries = AuditEntry.objects.filter(action__startswith="core.switch")
    assert {entry.actor_id for entry in entries} == {boss.user.pk}
    assert entries.count() == 2


def test_an_administrator_steers_a_breaker(boss, mail):
    send(boss, CONTROL, name="mail.send", action="forced_open")
    switchboard.refresh()
    mail.follow()
    assert mail.state is State.FORCED_OPEN

    send(boss, CONTROL, name="mail.send", action="close")
    switchboard.refresh()
    mail.follow()

    assert mail.state is State.CLOSED
    control = BreakerControl.objects.get()
    assert (control.state, control.closings) == ("automatic", 1)
    entries = AuditEntry.objects.filter(action__startswith="core.breakercontrol")
    assert [entry.actor_id for entry in entries] == [boss.user.pk] * 2


@pytest.mark.parametrize(
    ("address", "form", "reason"),
    [
        (SWITCH, {"name": "nothing", "mode": "off"}, "nothing"),
        (SWITCH, {"name": "breakers", "mode": "maybe"}, "maybe"),
        (CONTROL, {"name": "nobody", "action": "close"}, "There is no breaker nobody."),
        (CONTROL, {"name": "mail.send", "action": "half_open"}, "half_open"),
        (CONTROL, {"name": "mail\x00", "action": "close"}, "Null"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(boss, mail, address, form, reason):
    page = send(boss, address, **form)

    assert reason in said(page)[0]
    assert not Switch.objects.exists()
    assert not BreakerControl.objects.exists()


@pytest.mark.parametrize("address", [SWITCH, CONTROL])
def test_nothing_changes_by_a_link(boss, address):
    assert boss.get(reverse(address)).status_code == 405


@pytest.mark.parametrize("role", ["support", "catalog_manager", "warehouse"])
def test_other_roles_neither_see_nor_steer(client, staff, mail, role):
    client.force_login(staff(role))
    switch = {"name": "breakers", "mode": "off"}
    control = {"name": "mail.send", "action": "close"}

    assert client.get(reverse(PAGE)).status_code == 403
    assert client.get(reverse(FIGURES)).status_code == 403
    assert client.post(reverse(SWITCH), switch).status_code == 403
    assert client.post(reverse(CONTROL), control).status_code == 403
    assert not Switch.objects.exists()
