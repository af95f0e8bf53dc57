"""The refusal in front of Django: the same to a client, and only where nothing is in doubt."""

import json

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from core.protection import deadlines, shedding
from core.protection.admission import Admission
from core.protection.concurrency import FixedLimit
from core.protection.door import Door
from core.protection.gate import ThreadGate
from core.protection.middleware import LoadSheddingMiddleware
from core.protection.principals import Principal
from core.protection.tally import Reason


@pytest.fixture
def gate(settings, monkeypatch):
    """A gate with nothing free, and nobody below payments worth queueing."""
    settings.LOAD_SHEDDING_MODE = "enforce"
    settings.SHOP_URL = "http://testserver"
    gate = ThreadGate(Admission(FixedLimit(1)))
    gate.admission.threshold.value = 20.0
    gate.enter(priority=0, rank=0.0)
    monkeypatch.setattr(shedding, "gate", lambda: gate)
    monkeypatch.setattr(shedding, "gate_in_use", lambda: gate)
    return gate


def call(path="/api/v1/products", method="GET", **environ):
    """Return status, headers and body; the application behind says 200."""
    said = []

    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"inside"]

    def start_response(status, headers):
        said.append((int(status.split()[0]), dict(headers)))

    request = {"PATH_INFO": path, "REQUEST_METHOD": method} | environ
    body = b"".join(Door(application)(request, start_response))
    return *said[0], body


def test_a_hopeless_call_is_refused(gate):
    status, headers, body = call()

    assert status == 503
    assert 2 <= int(headers["Retry-After"]) <= 10
    assert json.loads(body)["request_id"] == headers["X-Request-ID"]
    assert gate.admission.tally.shed == {(50, Reason.PRIORITY): 1}


def test_it_reads_as_the_refusal_of_the_middleware(gate):
    _, headers, body = call(HTTP_X_REQUEST_ID="019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11")
    behind = LoadSheddingMiddleware(lambda request: HttpResponse())

    response = behind(RequestFactory().get("/api/v1/products"))

    assert response.status_code == 503
    own, theirs = json.loads(body), json.loads(response.content)
    assert own["instance"] == "urn:uuid:019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11"
    for name in ("instance", "request_id"):
        del own[name], theirs[name]
    assert own == theirs
    assert set(response.headers) - set(headers) == set()


@pytest.mark.parametrize(
    ("path", "environ"),
    [
        ("/api/v1/products", {"HTTP_X_API_KEY": "x"}),
        ("/api/v1/products", {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"}),
        ("/static/admin.css", {}),
        ("/admin/", {}),
        ("/health/live", {}),
    ],
)
def test_a_doubt_is_left_to_those_behind(gate, path, environ):
    assert call(path, **environ)[0] == 200


@pytest.fixture
def bearer(settings):
    """Know callers by the word that they bear, as if it were a token that was checked."""
    settings.RATE_LIMIT_PRINCIPALS = [f"{__name__}.principal_by_word"]

    def bear(role):
        return {"HTTP_AUTHORIZATION": f"Bearer {role}"}

    return bear


def principal_by_word(request):
    role = request.META["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    return Principal("user", "7", role) if role != "forged" else None


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["customer", "key", "forged"])
def test_credentials_make_no_hopeless_call_better(gate, bearer, role):
    assert call(**bearer(role))[0] == 503


seconds_left = []


def principal_in_time(request):
    seconds_left.append(deadlines.remaining())


@pytest.mark.django_db
def test_whoever_looks_who_comes_has_a_second(gate, settings):
    settings.RATE_LIMIT_PRINCIPALS = [f"{__name__}.principal_in_time"]

    assert call(HTTP_AUTHORIZATION="Bearer x")[0] == 503
    assert 0 < seconds_left.pop() <= 1


@pytest.mark.django_db
def test_staff_are_refused_later_than_the_routes_that_they_call(gate, bearer):
    gate.admission.threshold.value = 45.0

    assert call(**bearer("customer"))[0] == 503
    assert call(**bearer("staff"))[0] == 200


def test_a_class_without_hope_is_refused_whoever_comes(gate, monkeypatch):
    """What would be found out about the caller could change nothing."""
    gate.admission.queued = 1
    asked = []
    monkeypatch.setattr(shedding, "rank_of_visitor", lambda *_: asked.append(1) or 60.0)

    assert call()[0] == 503
    assert call(HTTP_X_REQUEST_ID='no id"')[0] == 503
    assert not asked

    gate.admission.threshold.value = 60.0
    assert call()[0] == 503
    assert asked


def test_what_pays_is_let_through_to_the_queue(gate):
    assert call("/api/v1/carts/1/checkout", "POST")[0] == 200


@pytest.mark.parametrize(("waiting", "status"), [(49, 503), (50, 503), (51, 200)])
def test_a_full_queue_has_a_place_for_who_is_more_important_only(gate, waiting, status):
    gate.admission.threshold.value = 100.0
    for _ in range(gate.admission.queue_bound):
        gate.admission.arrive(priority=waiting, rank=float(waiting), now=0.0)

    found = {call(REMOTE_ADDR=f"203.0.113.{n}")[0] for n in range(40)}

    # Whatever their place within their class.
    assert found == {status}
    assert call("/api/v1/carts/1/checkout", "POST")[0] == 200


def test_a_free_place_is_used(gate):
    gate.admission.inflight = 0

    assert call()[0] == 200


@pytest.mark.parametrize("mode", ["log_only", "off"])
def test_it_stands_open_unless_load_is_shed(gate, settings, mode):
    settings.LOAD_SHEDDING_MODE = mode

    assert call()[0] == 200


def test_a_process_that_has_no_gate_yet_has_an_open_door(settings):
    settings.LOAD_SHEDDING_MODE = "enforce"
    shedding.gate.cache_clear()

    assert call()[0] == 200


def test_a_page_that_may_read_our_answers_may_read_the_refusal(gate, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]

    _, headers, _ = call(HTTP_ORIGIN="https://shop.example")
    assert headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Retry-After" in headers["Access-Control-Expose-Headers"]
    _, headers, _ = call(HTTP_ORIGIN="https://elsewhere.example")
    assert "Access-Control-Allow-Origin" not in headers
