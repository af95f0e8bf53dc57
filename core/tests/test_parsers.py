import pytest

from core.exceptions import MalformedJSONError
from core.parsers import parse_json


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"NaN",
        b'{"a": Infinity}',
        b"[-Infinity]",
        b"1e400",
        b"[-1e400]",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"9" * 5000,
        b'{"a": 1, "a": 2}',
        b'{"x": {"a": 1, "b": 2, "a": 1}}',
        rb'"\u0000"',
        rb'{"\u0000": 1}',
        b'"\x00"',
        rb'"\ud800"',
        rb'["\udc00 tail"]',
        rb'{"\ud83d": 1}',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        b"[" * 66 + b"]" * 66,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 100_000,
        b"1 2",
        b"01",
    ],
    ids=lambda raw: raw[:24],
)
def test_parse_json_refuses(raw):
    with pytest.raises(MalformedJSONError) as error:
        parse_json(raw)

    assert error.value.detail


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (rb'"\ud83d\ude00"', "\N{GRINNING FACE}"),
        (b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        (' "z\u00e9" '.encode(), "z\u00e9"),
        (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        (b"1e308", 1e308),
    ],
)
def test_parse_json_reads(raw, value):
    assert parse_json(raw) == value


def test_parse_json_reads_64_levels():
    value = parse_json(b"[" * 64 + b"]" * 64)

    depth = 0
    while value:
        value, depth = value[0], depth + 1
    assert depth == 63


def test_a_malformed_body_is_refused_even_where_none_is_used(api, settings):
    settings.ROOT_URLCONF = "core.tests.urls"

    response = api.generic(
        "POST", "/api/t/echo", '{"a":1,"a":2}', content_type="application/json"
    )

    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")
    assert response.json()["detail"] == "An object names one member twice."
