import pytest
from django.utils import timezone

from core import health_details, heartbeat
from core.protection import services
from core.protection.breaker import get_breaker
from core.protection.line import Line
from core.protection.switches import switchboard

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("breakers_on")]
PATH = "/health/details"
TOKEN = "s3cret"  # noqa: S105 -- of this test alone


@pytest.fixture(autouse=True)
def _quiet(settings, monkeypatch):
    settings.METRICS_TOKEN = TOKEN
    # A machine that is busy with other tests is no lost Valkey.
    monkeypatch.setattr(health_details, "line", Line(patience_seconds=10))
    switchboard.reset()
    for process in ("worker", "beat"):
        heartbeat.forget(process)
    yield
    for process in ("worker", "beat"):
        heartbeat.forget(process)


def ask(api, token=TOKEN):
    return api.get(PATH, headers={"Authorization": f"Bearer {token}"})


def test_it_tells_how_every_part_is(api):
    heartbeat.record_heartbeat("worker", now=timezone.now())
    services.set_switch(name="deadlines", mode="log_only", actor_id=None)
    breaker = get_breaker("mail.send")
    for _ in range(10):
        with breaker.calling() as call:
            call.fail()

    response = ask(api)

    told = response.json()
    assert response.headers["Cache-Control"] == "no-store"
    assert told["status"] == "ok"
    assert told["checks"] == {"database": "ok", "migrations": "ok", "cache": "ok"}
    assert told["heartbeats"] == {"worker": "ok", "beat": "never"}
    assert told["switches"]["deadlines"] == "log_only"
    assert told["breakers"]["mail.send"] == {
        "processes": {"open": 1},
        "control": "automatic",
    }
    assert told["valkey_out"] is False
    assert len(told["processes"]) >= 1


def test_without_valkey_it_says_so_and_does_not_fail(api, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    told = ask(api).json()

    assert told["breakers"]["valkey.limits"]["control"] == "automatic"


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_others_are_not_told(api, token):
    assert ask(api, token).status_code == 401


def test_an_empty_token_opens_nothing(api, settings):
    settings.METRICS_TOKEN = ""

    assert ask(api, "").status_code == 401
    assert api.get(PATH).status_code == 401


def test_staff_are_told_and_customers_are_not(api_as, client, customer, staff):
    support = staff("support")

    assert api_as(support).get(PATH).status_code == 200
    assert api_as(customer).get(PATH).status_code == 403
    client.force_login(customer)
    assert client.get(PATH).status_code == 401
    client.force_login(support)
    assert client.get(PATH).status_code == 200


def test_a_browser_whose_session_was_ended_is_not_told(client, staff):
    support = staff("support")
    client.force_login(support)
    support.sessions.update(ended_at=timezone.now(), end_reason="ended_elsewhere")

    assert client.get(PATH).status_code == 401
