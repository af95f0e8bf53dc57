import time
from threading import Thread

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.db.transaction import atomic
from django.http import JsonResponse
from django.test import RequestFactory
from django.urls import path
from rest_framework.response import Response
from rest_framework.test import APIClient

from core.models import IdempotencyRecord
from core.permissions import Anyone
from core.protection import deadlines
from core.protection.counters import counters, totals
from core.protection.middleware import DeadlineMiddleware
from core.tests.processes import wait_until
from core.views import ApiView


class Plain(ApiView):
    permission_classes = [Anyone]

    def get(self, request):
        statement = deadlines.statement_seconds()
        return Response({"left": deadlines.remaining(), "statement": statement})


class Long(Plain):
    request_seconds = 25.0
    statement_seconds = 30.0


class Short(Plain):
    request_seconds = 1.0


class Slow(ApiView):
    permission_classes = [Anyone]

    def get(self, request):
        return Response({"slept": sleep_in_postgresql(30)})

    @atomic
    def post(self, request):
        Group.objects.create(name="made too late")
        return Response({"slept": sleep_in_postgresql(30)})


def sleep_in_postgresql(seconds):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'slow view' FROM pg_sleep(%s)", [seconds])
        return cursor.fetchone()


def function(request):
    return JsonResponse({"left": deadlines.remaining()})


urlpatterns = [
    path("api/t/plain", Plain.as_view()),
    path("api/t/long", Long.as_view()),
    path("api/t/short", Short.as_view()),
    path("api/t/slow", Slow.as_view()),
    path("function", function),
]
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def api():
    return APIClient()


def left(api, path, **headers):
    return api.get(path, headers=headers).json()["left"]


@pytest.mark.parametrize(
    ("path", "asked", "seconds"),
    [
        ("/api/t/plain", None, 20),
        ("/api/t/plain", "3", 3),
        ("/api/t/plain", "3600", 20),
        ("/api/t/long", None, 25),
        ("/api/t/long", "3600", 25),
        ("/api/t/long", "3", 3),
        ("/api/t/short", None, 1),
        ("/api/t/short", "3600", 1),
        ("/function", None, 20),
    ],
)
def test_a_request_has_as_long_as_it_asks_and_its_route_allows(
    api, path, asked, seconds
):
    headers = {} if asked is None else {"Request-Timeout": asked}

    assert seconds - 1 < left(api, path, **headers) <= seconds


def test_a_route_may_give_its_statements_more_time(api):
    assert api.get("/api/t/plain").json()["statement"] == pytest.approx(5, abs=1)
    assert api.get("/api/t/long").json()["statement"] == pytest.approx(25, abs=1)


def test_a_malformed_header_is_refused_by_name(api):
    response = api.get("/api/t/plain", headers={"Request-Timeout": "soon"})

    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, "invalid_header")
    assert problem["header"] == "Request-Timeout"


@pytest.mark.parametrize("mode", ["off", "log_only"])
def test_nothing_is_bounded_where_it_is_not_enforced(api, settings, mode):
    settings.DEADLINE_MODE = mode

    assert left(api, "/api/t/plain", **{"Request-Timeout": "3"}) is None


def waiting_first(seconds):
    """Put a wait, such as that for a place, between the deadline and the view."""
    middleware = DeadlineMiddleware(None)

    def queue(request):
        time.sleep(seconds)
        view = Plain.as_view()
        return middleware.process_view(request, view, (), {}) or view(request)

    middleware.get_response = queue
    return middleware


def test_a_view_is_not_entered_after_the_deadline():
    request = RequestFactory().get("/api/t/plain", headers={"Request-Timeout": "0.05"})

    response = waiting_first(0.06)(request)

    assert (response.status_code, response.data["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("mode", ["enforce", "log_only"])
def test_late_requests_are_counted(settings, mode):
    settings.DEADLINE_MODE = mode
    counters.reset()
    name = f"late|{str(mode == 'enforce').lower()}"
    before = totals().get(name, 0)
    request = RequestFactory().get("/api/t/plain", headers={"Request-Timeout": "0.05"})

    waiting_first(0.06)(request)

    assert totals()[name] == before + 1


def active_sleeps():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            " AND query LIKE %s AND pid <> pg_backend_pid()",
            ["%'slow view'%"],
        )
        return cursor.fetchone()[0]


def watch(url, answers):
    """Ask in a thread, with a connection to PostgreSQL of its own."""

    def ask():
        answers.append(APIClient().get(url, headers={"Request-Timeout": "1.5"}))
        connection.close()

    thread = Thread(target=ask)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_a_query_of_a_late_request_is_canceled_in_postgresql_and_answered_504():
    answers = []
    thread = watch("/api/t/slow", answers)
    wait_until(active_sleeps)

    thread.join()

    assert active_sleeps() == 0
    (response,) = answers
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")


@pytest.mark.django_db(transaction=True)
def test_a_write_that_is_too_late_leaves_nothing(api):
    headers = {"Request-Timeout": "0.5", "Idempotency-Key": "late-1"}

    response = api.post("/api/t/slow", {}, format="json", headers=headers)

    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
    assert not Group.objects.filter(name="made too late").exists()
    assert not IdempotencyRecord.objects.exists()


def test_a_statement_ends_at_its_rung_though_the_request_has_time(api, db, monkeypatch):
    monkeypatch.setattr(Slow, "statement_seconds", 0.2, raising=False)

    response = api.get("/api/t/slow")

    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")


@pytest.mark.django_db(transaction=True)
def test_a_key_is_free_again_after_a_late_phased_request(api, monkeypatch):
    monkeypatch.setattr(Slow, "idempotency_phased", {"post"})
    headers = {"Request-Timeout": "0.5", "Idempotency-Key": "late-2"}

    codes = [
        api.post("/api/t/slow", {}, format="json", headers=headers).json()["code"]
        for _ in range(2)
    ]

    assert codes == ["deadline_exceeded", "deadline_exceeded"]
