from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import orjson
import pytest
from django.contrib.auth.models import Group
from django.test import RequestFactory

from core.pagination import (
    InvalidCursorError,
    decode_cursor,
    encode_cursor,
    list_scope,
    page_response,
)

pytestmark = pytest.mark.urls("core.tests.urls")
PATH = "/api/t/groups"


@pytest.fixture
def groups(db):
    Group.objects.all().delete()
    return [Group.objects.create(name=f"g-{number:03}") for number in range(25)]


def names(response):
    return [row["name"] for row in response.json()["results"]]


def follow(api, response, rel):
    url = response.json()[rel]
    return api.get(url.removeprefix("http://testserver"))


@pytest.mark.parametrize("limit", [1, 7, 24, 25, 100])
def test_pages_join_to_the_list_in_both_directions(api, groups, limit):
    expected = sorted((g.name for g in groups), reverse=True)
    response = api.get(f"{PATH}?limit={limit}")
    seen = names(response)
    assert response.json()["previous"] is None
    while response.json()["next"]:
        response = follow(api, response, "next")
        seen += names(response)
    assert seen == expected

    back = names(response)
    while response.json()["previous"]:
        response = follow(api, response, "previous")
        back = names(response) + back
    assert back == expected


def test_a_row_added_meanwhile_moves_no_page(api, groups):
    first = api.get(f"{PATH}?limit=5")
    Group.objects.create(name="g-999")

    assert names(follow(api, first, "next")) == [f"g-{n:03}" for n in range(19, 14, -1)]


def test_links_stand_in_the_header_too(api, groups):
    first = api.get(f"{PATH}?limit=5&name=g")
    second = follow(api, first, "next")

    body = second.json()
    assert first.headers["Link"] == f'<{first.json()["next"]}>; rel="next"'
    assert (
        second.headers["Link"]
        == f'<{body["next"]}>; rel="next", <{body["previous"]}>; rel="prev"'
    )
    query = dict(parse_qsl(urlsplit(body["next"]).query))
    assert (query["limit"], query["name"]) == ("5", "g")


def test_the_default_page_has_20_and_no_count(api, groups):
    response = api.get(PATH)

    assert len(names(response)) == 20
    assert set(response.json()) == {"next", "previous", "results"}


def test_count_is_there_when_asked_for(api, groups):
    assert api.get(f"{PATH}?count=true&name=g-00&limit=1").json()["count"] == 10


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=abc", "limit"),
        ("limit=1e1", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("count=yes", "count"),
        ("fields=", "fields"),
        ("fields=name,nonsense", "fields"),
    ],
)
def test_impossible_parameters_are_refused(api, groups, query, parameter):
    response = api.get(f"{PATH}?{query}")

    assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")
    assert response.json()["parameter"] == parameter


def test_an_unknown_parameter_is_refused(api, groups):
    response = api.get(f"{PATH}?nmae=x")

    assert (response.status_code, response.json()["code"]) == (400, "unknown_parameter")
    assert "name" in response.json()["known"]


@pytest.mark.parametrize("name", ["expand", "facets", "currency"])
def test_what_a_list_does_not_take_is_refused(api, groups, name):
    response = api.get(f"{PATH}?{name}=x")

    assert (response.status_code, response.json()["code"]) == (400, "unknown_parameter")


@pytest.mark.parametrize("name", ["limit", "fields", "token", "expand"])
def test_a_write_takes_no_parameters_of_the_read(api, db, name):
    response = api.patch(f"/api/t/versioned?{name}=1", {}, headers={"If-Match": '"7"'})

    assert (response.status_code, response.json()["code"]) == (400, "unknown_parameter")


@pytest.mark.parametrize("name", ["cursor", "limit", "count", "name", "expand"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_what_only_a_list_takes_is_refused_of_one_resource(api, name, method):
    response = getattr(api, method)(f"{PATH}/1?{name}=1")

    assert response.status_code == 400


def test_one_resource_takes_its_own_parameters(api):
    response = api.get(f"{PATH}/1?currency=EUR&fields=id")

    assert response.json() == {"id": 1}


def test_a_parameter_is_given_once(api, groups):
    response = api.get(f"{PATH}?name=a&name=b")

    assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")


def test_fields_reduce_each_result(api, groups):
    response = api.get(f"{PATH}?fields=name&limit=1")

    assert response.json()["results"] == [{"name": "g-024"}]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_page_costs_one_query(api, db, django_assert_num_queries, rows):
    for number in range(rows):
        Group.objects.create(name=f"h-{number}")

    with django_assert_num_queries(1):
        api.get(f"{PATH}?limit=2")


def test_a_cursor_belongs_to_its_list(api, groups):
    cursor = dict(parse_qsl(urlsplit(api.get(f"{PATH}?limit=5").json()["next"]).query))[
        "cursor"
    ]

    assert api.get(f"{PATH}?cursor={cursor}&limit=9").status_code == 200
    for query in (
        f"cursor={cursor}&name=g",
        f"cursor={cursor[:-1]}",
        "cursor=",
        "cursor=%F0%9F%98%80",
        f"cursor={'A' * 3000}",
        "cursor=a.b",
    ):
        response = api.get(f"{PATH}?{query}")
        assert (response.status_code, response.json()["code"]) == (
            400,
            "invalid_cursor",
        )


@pytest.mark.parametrize("position", [0, 5, 20, -1])
def test_a_tampered_cursor_is_refused(position):
    token = encode_cursor(["g-001", 7], scope="s")
    other = "A" if token[position] != "A" else "B"
    place = position % len(token)

    with pytest.raises(InvalidCursorError):
        decode_cursor(token[:place] + other + token[place + 1 :], scope="s")


def test_a_cursor_keeps_what_json_has():
    moment, key = datetime(2026, 11, 20, tzinfo=UTC), uuid4()

    cursor = decode_cursor(
        encode_cursor([moment, key, 1.5, 2, "é"], scope="s", backwards=True), scope="s"
    )

    assert cursor.position == ("2026-11-20T00:00:00+00:00", str(key), 1.5, 2, "é")
    assert cursor.backwards is True


def test_page_response_joins_finished_fragments():
    request = RequestFactory().get("/api/v1/products?limit=2&vendor=a%20b")
    scope = list_scope(request)

    response = page_response(
        request,
        [b'{"id":1}', b'{"id":2}'],
        next_position=[2],
        previous_position=None,
        scope=scope,
        count=9,
    )

    body = orjson.loads(response.content)
    assert body["results"] == [{"id": 1}, {"id": 2}]
    assert (body["count"], body["previous"]) == (9, None)
    query = dict(parse_qsl(urlsplit(body["next"]).query))
    assert decode_cursor(query["cursor"], scope=scope).position == (2,)
    assert query["vendor"] == "a b"


def test_page_response_of_nothing_is_an_empty_list():
    request = RequestFactory().get("/api/v1/products")

    response = page_response(
        request, [], next_position=None, previous_position=None, scope=""
    )

    assert orjson.loads(response.content) == {
        "next": None,
        "previous": None,
        "results": [],
    }
    assert "Link" not in response.headers
