import io
import json
import logging
from html import unescape

import pytest
from rest_framework.test import APIClient

from core import logging as core_logging
from core.errors import problem_types
from core.health import PROBES

pytestmark = pytest.mark.urls("core.tests.urls")
CART = "018f3a5e-5f5b-7c1e-9d3a-2f1b8c7d6e5f"


@pytest.fixture
def api() -> APIClient:
    return APIClient(raise_request_exception=False)


@pytest.fixture
def lines():
    """Read what the process would write to its log."""
    stream = io.StringIO()
    config = core_logging.settings(level="INFO", colours=False)
    formatter = dict(config["formatters"]["lines"])
    formatter.pop("()")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(core_logging.ProcessorFormatter(**formatter))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("offered", ["req-12345678", CART, "a.b_c:d-1"])
def test_a_sane_request_id_is_kept(api, offered):
    response = api.get("/api/t/fail/conflict", headers={"X-Request-ID": offered})

    assert response.headers["X-Request-ID"] == offered
    assert response.json()["request_id"] == offered
    assert response.json()["instance"].startswith("urn:uuid:")


@pytest.mark.parametrize("offered", ["", "short", "x" * 65, "has blank", 'x"yyyyyyyy'])
def test_any_other_request_id_is_replaced(api, offered):
    response = api.get("/api/t/versioned", headers={"X-Request-ID": offered})

    assert response.headers["X-Request-ID"] != offered
    assert len(response.headers["X-Request-ID"]) == 36


def test_api_answers_carry_the_version(api):
    assert api.get("/api/t/versioned").headers["API-Version"] == "2026-11-20"
    assert api.get("/api/v1/nothing").headers["API-Version"] == "2026-11-20"


@pytest.mark.parametrize("version", ["2020-01-01", "latest", "2026-11-20 ", "'"])
def test_an_unknown_version_is_refused(api, version):
    response = api.get("/api/t/versioned", headers={"API-Version": version})

    assert (response.status_code, response.json()["code"]) == (
        400,
        "unknown_api_version",
    )


def test_the_known_version_is_accepted(api):
    response = api.get("/api/t/versioned", headers={"API-Version": "2026-11-20"})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/api/t/versioned?q=%ff", "/api/t/versioned?q=%00", "/%ff", "/api/%00", "/%c3("],
)
def test_unreadable_addresses_are_refused(api, path):
    response = api.get(path)

    assert (response.status_code, response.json()["code"]) == (
        400,
        "malformed_request",
    )


def test_a_request_is_one_line(api, lines):
    response = api.get("/api/t/versioned?token=hush")

    (line,) = lines()
    assert line.pop("duration_ms") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "request",
        "method": "GET",
        "route": "api/t/versioned",
        "status": 200,
        "request_id": response.headers["X-Request-ID"],
    }


@pytest.mark.parametrize("path", ["/nothing", "/api/t/plain", "/api/t/fail/conflict"])
def test_a_refusal_is_one_line(api, lines, path):
    response = api.get(path)

    (line,) = lines()
    assert line["status"] == response.status_code
    assert line["code"] == response.json()["code"]


def test_a_bug_is_one_line_with_its_traceback(api, lines):
    api.get("/api/t/fail/bug")

    (line,) = lines()
    assert (line["status"], line["level"]) == (500, "error")
    assert "RuntimeError: secret detail" in line["exception"]


def test_an_unknown_host_is_one_line(api, lines):
    api.get("/api/t/versioned", headers={"Host": "evil.example"})

    assert [line["code"] for line in lines()] == ["unknown_host"]


def test_the_line_names_the_user(api_as, customer, lines):
    api_as(customer).get("/api/t/guarded")

    assert [line["user_id"] for line in lines()] == [str(customer.pk)]


def test_secrets_are_redacted(lines):
    logging.getLogger("x").warning(
        "Sent Bearer abc.def to /carts/%s?token=hush", CART, extra={"cart_id": CART}
    )
    core_logging.structlog.get_logger("x").warning(
        "event",
        Authorization="Bearer abc.def",
        headers={"Cookie": "sessionid=1", "Accept": "*/*"},
        password="hunter2",  # noqa: S106 -- what must not be seen
        refresh="eyJabc.eyJdef.sig",
        note="eyJabc.eyJdef.sig",
        url="redis://user:hunter2@host/0",
        cart_id=CART,
    )

    text = json.dumps(lines())
    for secret in ("abc.def", CART, "hush", "sessionid", "hunter2", "eyJ"):
        assert secret not in text
    assert lines()[1]["headers"]["Accept"] == "*/*"


def test_live_touches_nothing(api, django_assert_num_queries):
    # Without the database fixture any query would fail.
    response = api.get("/health/live", headers={"Host": "10.0.0.7"})

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_checks_what_serving_needs(api):
    response = api.get("/health/ready", headers={"Host": "10.0.0.7"})

    assert response.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "cache": "ok"},
    }


@pytest.mark.django_db
def test_ready_says_what_is_missing(api, settings):
    # A port where nothing listens.
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    }

    response = api.get("/health/ready")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    body = response.json()
    assert (body["code"], body["checks"]["cache"]) == ("not_ready", "unreachable")


@pytest.mark.parametrize("path", sorted(PROBES))
def test_probes_stay_out_of_the_api(path):
    assert not path.startswith("/api/")


@pytest.mark.parametrize("code", sorted(problem_types()))
def test_a_problem_type_has_a_page(api, code):
    error = problem_types()[code]

    response = api.get(f"/problems/{error.slug()}")

    assert response.headers["Content-Type"].startswith("text/html")
    page = unescape(response.content.decode())
    for words in (error.title, code, str(error.kind.value), error.cause, error.cure):
        assert words in page


def test_the_index_names_every_problem(api):
    assert "validation_error" in api.get("/problems").content.decode()
    assert api.get("/problems/no-such-thing").status_code == 404


def test_a_shop_front_elsewhere_may_send_and_read_our_headers(api, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://front.example.com"]
    origin = {"Origin": "https://front.example.com"}
    asked = {"Access-Control-Request-Method": "PATCH"}

    preflight = api.options("/api/t/versioned", headers=origin | asked)
    response = api.get("/api/t/versioned", headers=origin)

    allowed = preflight.headers["Access-Control-Allow-Headers"]
    assert {"idempotency-key", "if-match", "x-order-token"} <= set(allowed.split(", "))
    assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]
    stranger = api.get("/api/t/versioned", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_options_names_the_methods(api):
    response = api.options("/api/t/versioned")

    assert response.status_code == 204
    assert response.headers["Allow"] == "GET, PATCH, HEAD, OPTIONS"
