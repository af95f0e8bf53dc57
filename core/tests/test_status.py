from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.utils import timezone

from core import heartbeat
from core.protection import gauges, services
from core.protection.breaker import get_breaker
from core.status import memo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("breakers_on")]
PROCESSES = heartbeat.PROCESSES


@pytest.fixture(autouse=True)
def _all_is_well():
    memo.forget()
    for process in PROCESSES:
        heartbeat.record_heartbeat(process, now=timezone.now())
    yield
    memo.forget()
    for process in PROCESSES:
        heartbeat.forget(process)


def ask(api):
    memo.forget()
    response = api.get("/status")
    assert response.status_code == 200
    return unescape(response.content.decode())


def break_down(name):
    breaker = get_breaker(name)
    for _ in range(10):
        with breaker.calling() as call:
            call.fail()
    gauges.publish()


def row(label, state):
    return f'<th scope="row">{label}</th><td>{state}</td>'


def test_it_says_that_everything_works(api):
    page = ask(api)

    assert "Everything works" in page
    for label in ("Shop", "Payments", "Mail", "Confirmations and exports"):
        assert row(label, "works") in page


@pytest.mark.parametrize(
    ("breaker", "label"), [("payments.authorize", "Payments"), ("mail.send", "Mail")]
)
def test_it_says_what_a_breaker_knows(api, breaker, label):
    break_down(breaker)

    page = ask(api)

    assert "Everything works" not in page
    assert row(label, "disturbed") in page
    assert page.count("<td>disturbed</td>") == 1


def test_it_says_what_people_have_shut(api):
    services.control_breaker(name="mail.send", state="forced_open", actor_id=None)

    assert row("Mail", "disturbed") in ask(api)


@pytest.mark.parametrize("process", PROCESSES)
def test_it_says_that_nobody_works_in_the_background(api, process):
    heartbeat.record_heartbeat(process, now=timezone.now() - timedelta(minutes=1))

    assert row("Confirmations and exports", "disturbed") in ask(api)


def test_it_names_no_dependency_and_no_reason(api):
    break_down("storage.private")

    page = ask(api)

    assert "Everything works" in page
    for word in ("storage", "postgres", "valkey", "redis", "celery", "django"):
        assert word not in page.casefold()


def test_many_who_ask_cost_one_look(api, django_assert_num_queries):
    ask(api)

    with django_assert_num_queries(0):
        response = api.get("/status")

    assert response.headers["Cache-Control"] == "public, max-age=5"


@pytest.mark.django_db(transaction=True)
def test_it_says_that_the_shop_is_out(api, settings):
    connection.close()
    was = connection.settings_dict["PORT"], connection.settings_dict["HOST"]
    connection.settings_dict.update(HOST="127.0.0.1", PORT="1")
    try:
        page = ask(api)
    finally:
        connection.settings_dict.update(PORT=was[0], HOST=was[1])

    assert row("Shop", "out") in page
