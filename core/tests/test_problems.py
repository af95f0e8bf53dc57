import pytest
from rest_framework.test import APIClient

from core.errors import problem_types

pytestmark = pytest.mark.urls("core.tests.urls")


@pytest.fixture
def api() -> APIClient:
    return APIClient(raise_request_exception=False)


def assert_problem(response, status, code):
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (response.status_code, body["status"], body["code"]) == (
        status,
        status,
        code,
    )
    assert code in problem_types()
    assert body["type"].endswith(f"/problems/{code.replace('_', '-')}")
    assert body["type"].startswith("http://")
    return body


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        ("bug", 500, "internal_error"),
        ("conflict", 409, "conflict"),
        ("lock", 503, "service_unavailable"),
        ("data", 400, "malformed_request"),
        ("limit", 400, "malformed_request"),
        ("suspicious", 400, "malformed_request"),
    ],
)
def test_a_failing_view_answers_a_problem(api, failure, status, code):
    response = api.get(f"/api/t/fail/{failure}", headers={"Accept": "*/*"})

    body = assert_problem(response, status, code)
    assert "secret" not in response.content.decode()
    assert body["type"] == f"http://testserver/problems/{code.replace('_', '-')}"


def test_a_problem_carries_the_extensions_of_its_error(api):
    body = api.get("/api/t/fail/conflict").json()

    assert (body["available"], body["detail"]) == (3, "Somebody was faster.")


def test_a_problem_is_json_whatever_is_accepted(api):
    response = api.get("/api/t/guarded", headers={"Accept": "text/html"})

    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_busy_dependency_says_when_to_come_back(api):
    assert api.get("/api/t/fail/lock").headers["Retry-After"] == "1"


def test_validation_errors_point_at_their_places(api):
    basket = {
        "lines": [
            {"quantity": 1},
            {"quantity": 0, "colour": "red", "note": "x" * 21},
        ],
        "tags": ["fine", "too long"],
        "country": "ZZ",
        "currency": "eur",
        "id": 5,
        "a/b~c": 1,
    }

    body = assert_problem(api.post("/api/t/basket", basket), 422, "validation_error")

    assert {(e["pointer"], e["code"]) for e in body["errors"]} == {
        ("#/lines/1/quantity", "min_value"),
        ("#/lines/1/colour", "unknown_field"),
        ("#/lines/1/note", "max_length"),
        ("#/tags/1", "max_length"),
        ("#/country", "unknown"),
        ("#/currency", "unknown"),
        ("#/id", "unknown_field"),
        ("#/a~1b~0c", "unknown_field"),
    }


def test_a_body_of_the_wrong_shape_is_refused_as_a_whole(api):
    body = assert_problem(api.post("/api/t/basket", []), 422, "validation_error")

    assert [e["pointer"] for e in body["errors"]] == ["#"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nothing", 404, "not_found"),
        ("/api/v1/nothing", 404, "not_found"),
        ("/api/t/plain", 405, "method_not_allowed"),
        ("/api/t/raised", 409, "conflict"),
        ("/api/t/guarded", 401, "not_authenticated"),
        ("/api/t/forgotten", 401, "not_authenticated"),
    ],
)
def test_what_django_refuses_is_a_problem(api, path, status, code):
    assert_problem(api.get(path), status, code)


@pytest.mark.django_db
def test_a_missing_or_bad_token_is_challenged(api):
    missing = api.get("/api/t/guarded")
    bad = api.get("/api/t/guarded", headers={"Authorization": "Bearer nonsense"})

    assert missing.headers["WWW-Authenticate"].startswith("Bearer ")
    assert bad.status_code == 401
    assert bad.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_role_without_the_permission_is_forbidden(api_as, customer):
    assert_problem(api_as(customer).get("/api/t/staff"), 403, "permission_denied")
    assert_problem(api_as(customer).get("/api/t/forgotten"), 403, "permission_denied")


def test_a_method_that_is_not_offered_is_405_for_anyone(api):
    response = api.delete("/api/t/guarded")

    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_an_unknown_host_is_refused(api):
    response = api.get("/api/t/versioned", headers={"Host": "evil.example"})

    body = assert_problem(response, 400, "unknown_host")
    assert body["type"] == "http://localhost:8000/problems/unknown-host"


def test_an_unacceptable_format_is_406(api):
    response = api.get("/api/t/versioned", headers={"Accept": "text/csv"})

    assert_problem(response, 406, "not_acceptable")


def test_a_foreign_body_format_is_415(api):
    response = api.generic("POST", "/api/t/echo", "a=1", content_type="text/plain")

    assert_problem(response, 415, "unsupported_media_type")


def test_an_oversized_body_is_413(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1024

    assert_problem(api.post("/api/t/echo", {"a": "x" * 2000}), 413, "body_too_large")


def test_every_problem_type_explains_itself():
    for code, error in problem_types().items():
        assert error.title, code
        assert error.cause, code
        assert error.cure, code
        assert code == code.lower().replace("-", "_")
