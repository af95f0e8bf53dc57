import time

import pytest
from django.http import JsonResponse
from django.test import RequestFactory
from django.urls import path
from rest_framework.response import Response
from rest_framework.test import APIClient

from core.permissions import Anyone
from core.protection import deadlines
from core.protection.counters import counters, totals
from core.protection.middleware import DeadlineMiddleware
from core.views import ApiView


class Plain(ApiView):
    permission_classes = [Anyone]

    def get(self, request):
        return Response({"left": deadlines.remaining(), "statement": statement()})


class Long(Plain):
    request_seconds = 25.0
    statement_seconds = 30.0


class Short(Plain):
    request_seconds = 1.0


def statement():
    end = deadlines.statement_end()
    return None if end is None else end - time.monotonic()


def function(request):
    return JsonResponse({"left": deadlines.remaining()})


urlpatterns = [
    path("api/t/plain", Plain.as_view()),
    path("api/t/long", Long.as_view()),
    path("api/t/short", Short.as_view()),
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
