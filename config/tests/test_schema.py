"""The OpenAPI document says everything that a client has to know."""

import re
from collections import Counter

import pytest
from django.contrib.staticfiles import finders
from drf_spectacular.validation import validate_schema

from accounts.constants import is_grantable
from config.tests.schema import (
    PROBLEM,
    complaints,
    document,
    operations,
    resolved,
)
from core.errors import problem_types

# Errors that no operation of the document answers, and where they are met instead.
OUTSIDE_OPERATIONS = {
    "conflict": "a middleware's plain 409",
    "csrf_failed": "the admin's forms",
    "delivery_not_retryable": "the admin",
    "invalid_amount": "a row of an import, reported there",
    "method_not_allowed": "any address, with a method that isn't in the document",
    "not_ready": "the probe /health/ready",
    "second_factor_required": "staff, where the settings ask it of them",
    "staff_password_too_short": "staff whose sign-in was by a short one",
    "reservation_lost": "a payment that comes too late, settled inside",
    "order_transition_refused": "the admin",
    "unusable_file": "imports",
}
ALWAYS = {
    "address_blocked",
    "internal_error",
    "malformed_request",
    "not_acceptable",
    "quota_exceeded",
    "service_unavailable",
    "temporary_reduced_capacity",
    "unknown_api_version",
    "unknown_host",
}
PERMISSION = re.compile(r"anyone|user|[a-z]+\.[a-z_]+( and [a-z]+\.[a-z_]+)*")
each_operation = pytest.mark.parametrize("operation", operations(), ids=str)


def test_the_document_is_valid_openapi_3_1():
    validate_schema(document())

    assert document()["openapi"].startswith("3.1")


def test_the_generator_understands_every_view():
    assert complaints() == []


def test_the_document_is_not_too_large_to_read(api):
    assert len(api.get("/api/schema").content) < 700_000


def test_operation_ids_are_unique():
    counts = Counter(o.content["operationId"] for o in operations())

    assert [name for name, count in counts.items() if count > 1] == []


@each_operation
def test_an_operation_says_what_it_does(operation):
    summary = operation.content.get("summary", "")

    assert 5 < len(summary) < 80, "give it a summary or a docstring"
    assert not summary.endswith(".")
    assert summary[0].isupper()
    assert operation.content["tags"]


@each_operation
def test_an_operation_names_its_permission(operation):
    permission = operation.content["x-permission"]

    assert PERMISSION.fullmatch(permission)
    if permission != "anyone":
        [person, *machine] = operation.content["security"]
        assert person == {"bearer": []}
        for scheme in machine:
            [scope] = scheme["api_key"]
            assert permission in {"user", scope}
            assert is_grantable(scope)
        assert "not_authenticated" in operation.codes
    if "." in permission:
        assert "permission_denied" in operation.codes


@each_operation
def test_an_operation_shows_examples(operation):
    bodies = [
        operation.content.get("requestBody", {}),
        *operation.responses.values(),
    ]

    for body in bodies:
        for media in body.get("content", {}).values():
            assert media.get("examples")
    assert any(status.startswith("2") for status in operation.responses)


@each_operation
def test_an_operation_lists_its_problems(operation):
    expected = set(ALWAYS)
    if operation.method in {"POST", "PUT", "PATCH"}:
        expected |= {"malformed_json", "body_too_large", "unsupported_media_type"}
        expected |= {"validation_error"}
    if "{" in operation.path:
        expected |= {"not_found"}

    assert expected <= operation.codes
    assert operation.codes <= set(problem_types())


@each_operation
def test_every_refusal_is_a_problem_document(operation):
    for status, response in operation.responses.items():
        if status[0] in "45":
            assert set(response["content"]) == {PROBLEM}
            for code, example in response["content"][PROBLEM]["examples"].items():
                assert str(problem_types()[code].kind.value) == status
                assert resolved(example)["value"]["code"] == code


@each_operation
def test_an_operation_declares_its_headers(operation):
    headers = {
        p["name"]: p for p in operation.content["parameters"] if p["in"] == "header"
    }

    assert {"API-Version", "X-Request-ID"} <= set(headers)
    takes_key = "idempotency_in_progress" in operation.codes
    assert takes_key == ("Idempotency-Key" in headers)
    if takes_key:
        required = "idempotency_key_required" in operation.codes
        assert headers["Idempotency-Key"]["required"] is required
    assert ("If-Match" in headers) == ("stale_version" in operation.codes)
    if "precondition_required" in operation.codes:
        assert headers["If-Match"]["required"] is True


@each_operation
def test_a_list_declares_its_pages(operation):
    response = operation.responses.get("200", {})
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    if not name.startswith("Paginated"):
        return

    parameters = {p["name"] for p in operation.content["parameters"]}
    assert {"cursor", "limit", "count", "fields"} <= parameters
    assert "invalid_cursor" in operation.codes


def test_every_error_is_answered_by_some_operation():
    answered = set().union(*(operation.codes for operation in operations()))
    registered = {
        code
        for code, error in problem_types().items()
        if ".tests." not in error.__module__
    }

    assert registered - answered - set(OUTSIDE_OPERATIONS) == set()


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc"])
def test_the_reference_needs_no_internet(api, path):
    page = api.get(path, headers={"Accept": "text/html"})

    assert page.status_code == 200
    text = page.content.decode()
    sources = re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    assert sources
    for source in sources:
        assert source.startswith("/static/"), source
        assert finders.find(source.removeprefix("/static/")), source
    assert "/api/schema" in text


def test_the_document_is_served(api):
    response = api.get("/api/schema")

    assert response.status_code == 200
    assert response.json()["openapi"].startswith("3.1")
    assert response.json()["info"]["title"] == "Shopwright"
