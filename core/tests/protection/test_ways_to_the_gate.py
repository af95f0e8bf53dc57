"""However a request ends between the door and the gate, it is counted out of those coming.

Through the real door and all of Django's middleware.
"""

import io

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from catalog.tests.factories import make_product
from core.models import AddressBlock
from core.protection import shedding
from core.protection.admission import Admission
from core.protection.concurrency import FixedLimit
from core.protection.door import Door
from core.protection.gate import ThreadGate
from core.tests import urls

pytestmark = [
    pytest.mark.urls("core.tests.protection.test_ways_to_the_gate"),
    pytest.mark.django_db,
    pytest.mark.usefixtures("one_connection"),
]
ADDRESS = "203.0.113.7"
gates = []


def look(request):
    return HttpResponse(f"{gates[-1].admission.coming}")


def stream(request):
    return StreamingHttpResponse(iter([b"1", b"2"]))


def break_off(request):
    raise SystemExit


urlpatterns = [
    path("api/t/look", look),
    path("api/t/stream", stream),
    path("api/t/break-off", break_off),
    path("look", look),
    *urls.urlpatterns,
]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


@pytest.fixture
def gate(settings, monkeypatch):
    settings.LOAD_SHEDDING_MODE = "enforce"
    gate = ThreadGate(Admission(FixedLimit(2)))
    monkeypatch.setattr(shedding, "gate", lambda: gate)
    monkeypatch.setattr(shedding, "gate_in_use", lambda: gate)
    gates.append(gate)
    yield gate
    gates.clear()


class Shop:
    """The door, Django behind it, and in between a place to look and to change things."""

    def __init__(self, gate):
        self.gate = gate
        self.handler = WSGIHandler()
        self.announced = []
        self.on_the_way = lambda: None

    def __call__(self, path, method="GET", **headers):
        """Return the status, and an answer whose body nobody has read yet."""
        said = []
        environ = headers | {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": ADDRESS,
            "HTTP_HOST": "testserver",
            "HTTP_X_FORWARDED_FOR": ADDRESS,
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
        }
        answer = Door(self._between)(environ, lambda line, _: said.append(line))
        return int(said[0].split()[0]), answer

    def _between(self, environ, start_response):
        self.announced.append(self.gate.admission.coming)
        self.on_the_way()
        return self.handler(environ, start_response)


@pytest.fixture
def shop(gate):
    return Shop(gate)


def assert_all_are_out(shop, announced=(1,)):
    assert shop.announced == [*announced]
    assert (shop.gate.admission.coming, shop.gate.admission.inflight) == (0, 0)


def test_who_is_in_the_view_has_come(shop):
    status, answer = shop("/api/t/look")

    assert (status, b"".join(answer)) == (200, b"0")
    assert_all_are_out(shop)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/t/fail/bug", 500),
        ("/api/t/fail/conflict", 409),
        ("/api/t/nowhere", 404),
        ("/api/t/guarded", 401),
        # Refused by the outermost middleware.
        ("/api/t/\x00", 400),
    ],
)
def test_a_failure_is_an_end_too(shop, path, status):
    assert shop(path)[0] == status

    assert_all_are_out(shop)


def test_a_request_that_ends_in_no_answer_is_out(shop):
    with pytest.raises(SystemExit):
        shop("/api/t/break-off")

    assert_all_are_out(shop)


def test_what_fails_before_there_is_a_request_is_out(shop):
    def fail():
        raise RuntimeError

    shop.on_the_way = fail
    with pytest.raises(RuntimeError):
        shop("/api/t/look")

    assert_all_are_out(shop)


def test_a_blocked_address_is_out(shop, limits):
    AddressBlock.objects.create(network=f"{ADDRESS}/32", reason="test")

    assert shop("/api/t/look")[0] == 403

    assert_all_are_out(shop)


def test_who_has_asked_enough_is_out(shop, limits):
    limits(quota=1)

    assert [shop("/api/t/look")[0] for _ in range(2)] == [200, 429]

    assert_all_are_out(shop, (1, 1))


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_REQUEST_TIMEOUT": "soon"},
        {"HTTP_API_VERSION": "1999"},
        {"CONTENT_LENGTH": "many"},
    ],
)
def test_a_header_that_says_nothing_is_an_end(shop, headers):
    assert shop("/api/t/look", **headers)[0] == 400

    assert_all_are_out(shop)


def test_an_answer_from_the_cache_is_one_too(shop, bytes_cache):
    product = make_product(title="Lamp")
    product_path = f"/api/v1/products/{product.slug}"

    assert [shop(product_path)[0] for _ in range(2)] == [200, 200]

    assert_all_are_out(shop, (1, 1))


def test_who_is_still_sent_his_answer_has_come(shop):
    status, answer = shop("/api/t/stream")

    assert_all_are_out(shop)
    assert (status, b"".join(answer)) == (200, b"12")


def test_who_is_refused_at_the_gate_has_come(shop, gate):
    def take_all():
        gate.admission.inflight = 2
        gate.admission.threshold.value = 20.0

    shop.on_the_way = take_all

    assert shop("/api/t/look")[0] == 503

    assert (shop.announced, gate.admission.coming) == ([1], 0)


def test_whose_rank_cannot_be_found_out_is_out(shop, gate, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(shedding, "ranked", fail)
    shop.on_the_way = lambda: setattr(gate.admission.threshold, "value", 20.0)

    assert shop("/api/t/look")[0] == 500

    assert_all_are_out(shop)


@pytest.mark.parametrize("mode", ["off", "log_only"])
def test_a_switch_under_way_leaves_nobody_behind(shop, settings, mode):
    shop.on_the_way = lambda: setattr(settings, "LOAD_SHEDDING_MODE", mode)

    assert shop("/api/t/look")[0] == 200

    assert_all_are_out(shop)


@pytest.mark.parametrize("mode", ["off", "log_only"])
def test_who_was_not_announced_counts_for_nobody(shop, settings, mode):
    settings.LOAD_SHEDDING_MODE = mode
    shop.on_the_way = lambda: setattr(settings, "LOAD_SHEDDING_MODE", "enforce")

    assert shop("/api/t/look")[0] == 200

    assert_all_are_out(shop, (0,))


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/look", {}),
        ("/health/live", {}),
        ("/api/t/look", {"HTTP_X_API_KEY": "x"}),
        ("/api/t/look", {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"}),
    ],
)
def test_who_passes_unseen_is_not_announced(shop, path, headers):
    shop(path, **headers)

    assert_all_are_out(shop, (0,))


def test_the_whole_way_counts_nobody_twice(shop, gate):
    """The control of all those above: it is there to be lost."""
    gate.announce()

    assert b"".join(shop("/api/t/look")[1]) == b"1"

    assert (shop.announced, gate.admission.coming) == ([2], 1)
