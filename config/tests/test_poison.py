"""Whatever a client sends: no 5xx, and each refusal a problem that the document names."""

import json
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from config.tests.schema import PROBLEM, document, operations
from core.errors import problem_types

JSON = "application/json"
# Answered before or beside the operation, so not part of what it promises.
BESIDE = {"method_not_allowed", "not_found"}

ALONE = 7
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 1e400}',
    b'{"a": 1, "a": 2}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b"[" * 10_000 + b"]" * 10_000,
    b'{"a":' * 2000 + b"1" + b"}" * 2000,
    rb'{"a": "\u0000"}',
    rb'{"\ud800": "\udfff"}',
    b'{"a": "\xff\xfe"}',
    b"\xef\xbb\xbf{}",
    b"\x00",
]
# Put in the place of all members of a valid body at once; the first few also in the
# place of each by itself, so that one member's refusal hides no other's.
VALUES = [
    None,
    -(2**63),
    2**63 - 1,
    "x" * 70_000,
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{GRINNING FACE}\u0301",
    [{}] * 200,
    {"\N{SNOWMAN}": {"a": [None]}},
    True,
    0,
    10**15 + 1,
    1e308,
    0.1,
    "",
    " ",
    "'; DROP TABLE x; --",
    "9" * 400,
    "NaN",
    "1e999",
    "2026-02-30T99:99:99Z",
    "0001-01-01T00:00:00+23:59",
    "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11",
    [],
    {},
    [[[]]],
    ["x"] * 200,
]
TEXTS = [
    "%E2%98%83",
    "9" * 400,
    "NaN",
    "-9223372036854775809",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "1e400",
    "x" * 3000,
    "..%2F..%2Fetc",
    "%27%3B--",
    "a%0d%0ab",
    "[]",
    "%25ff",
]
HEADERS = [
    {"Host": "evil.example"},
    {"Host": "a b"},
    {"Host": "[::1"},
    {"Accept": "text/html"},
    {"Accept": ";;;=,/"},
    {"Accept": "application/json;version=" + "9" * 400},
    {"API-Version": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"Authorization": "Bearer \N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Bearer"},
    {"Authorization": "Basic eDp5"},
    {"If-Match": '"' + "9" * 400 + '"'},
    {"If-Match": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"If-None-Match": '"\x7f'},
    {"Idempotency-Key": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"Idempotency-Key": "x" * 256},
    {"X-Request-ID": "a\tb" * 99},
    {"X-Order-Token": "\N{LATIN SMALL LETTER E WITH ACUTE}"},
    {"Accept-Language": "\N{LATIN SMALL LETTER E WITH ACUTE};q=x"},
    {"Content-Length": "x"},
    {"Cookie": "sessionid=\N{LATIN SMALL LETTER E WITH ACUTE}"},
]
TYPES = [
    "text/plain",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=\N{LATIN SMALL LETTER E WITH ACUTE}",
    "application/json; charset=nonsense",
    "application/json; charset=utf-16",
    ";",
    "",
]
each_operation = pytest.mark.parametrize("operation", operations(), ids=str)


@pytest.fixture
def send(db, api_as, staff, operation):
    """Send as somebody who may do everything, and check whatever comes back."""
    client = api_as(staff("admin"))
    client.raise_request_exception = False

    def send(path, body=b"", *, content_type=JSON, headers=None):
        given = {"Idempotency-Key": str(uuid4())} if requires_key(operation) else {}
        response = client.generic(
            operation.method,
            path,
            body if operation.method != "GET" else b"",
            content_type=content_type,
            headers=given | (headers or {}),
        )
        check(operation, response, (path[:200], body[:200], content_type, headers))

    return send


def requires_key(operation):
    return "idempotency_key_required" in operation.codes


def check(operation, response, poison):
    assert response.status_code < 500, (poison, response.content[:500])
    assert response.headers["X-Request-ID"], poison
    if response.status_code < 400:
        return
    assert response.headers["Content-Type"] == PROBLEM, poison
    problem = response.json()
    assert problem["status"] == response.status_code, poison
    assert problem["code"] in problem_types(), poison
    assert problem["code"] in operation.codes | BESIDE, (poison, problem["code"])


def bodies_with_poisoned_members(operation):
    example = operation.body_example()
    if not isinstance(example, dict):
        return
    for name in example:
        for value in VALUES[:ALONE]:
            yield example | {name: value}
    yield example | {"\N{SNOWMAN}": 1}
    for value in VALUES:
        yield dict.fromkeys(example, value)


@each_operation
def test_poisoned_bodies(operation, send):
    if operation.method not in {"POST", "PUT", "PATCH"}:
        pytest.skip("takes no body")

    for body in BODIES:
        send(operation.address(), body)
    for content in bodies_with_poisoned_members(operation):
        send(operation.address(), json.dumps(content).encode())


@each_operation
def test_poisoned_addresses(operation, send):
    names = [p["name"] for p in operation.content["parameters"] if p["in"] == "query"]
    places = [p["name"] for p in operation.content["parameters"] if p["in"] == "path"]

    for text in TEXTS:
        for place in places:
            path = operation.path.replace("{" + place + "}", text)
            send(operation.address_of(path), b"{}")
        together = "&".join(f"{name}={text}" for name in names)
        send(f"{operation.address()}?{together}", b"{}")
    for name in names:
        for text in TEXTS[:ALONE]:
            send(f"{operation.address()}?{quote(name, safe='%')}={text}", b"{}")
    for name in ("unheard_of", "%00", "%ff", "x" * 300):
        send(f"{operation.address()}?{name}=1", b"{}")
    send(operation.address() + "?" + "&".join(f"a{n}=1" for n in range(2000)), b"{}")


@each_operation
def test_poisoned_headers(operation, send):
    body = json.dumps(operation.body_example()).encode()

    for headers in HEADERS:
        send(operation.address(), body, headers=headers)
    for content_type in TYPES:
        send(operation.address(), body, content_type=content_type)


@each_operation
def test_poisoned_files(operation, send):
    content = operation.content.get("requestBody", {}).get("content", {})
    if "multipart/form-data" not in content:
        pytest.skip("takes no file")

    for raw in [*BODIES, b"a,b\r\n" * 5000, b"Handle,Title\n\xff,\x00\n"]:
        for name in ("a.csv", "\N{SNOWMAN}.csv", "../../etc/passwd", "a" * 300):
            file = SimpleUploadedFile(name, raw)
            file.name = name
            body = encode_multipart(BOUNDARY, {"file": file})
            send(operation.address(), body, content_type=MULTIPART_CONTENT)
    nameless = body.replace(b'filename="', b'filename="";x="')
    send(operation.address(), nameless, content_type=MULTIPART_CONTENT)
    send(operation.address(), b"--" + BOUNDARY.encode(), content_type=MULTIPART_CONTENT)


@each_operation
def test_oversized_bodies(operation, send, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2048

    send(operation.address(), b'{"a": "' + b"x" * 4096 + b'"}')


def test_the_walk_has_routes():
    assert len(document()["paths"]) > 20
