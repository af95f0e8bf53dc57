"""Who is let in where: with an empty form, the door answers before the form does.

What each caller is answered with a good form and real objects stands in access/table.txt.
Whoever gets 401 or 403 there gets it here, and nobody else does. A route without its line
fails the suite.
"""

import re

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from config.tests.access.table import read_table
from config.tests.access.world import STAFF
from config.tests.schema import operations

# As this file calls them, and as the columns of the table do.
COLUMNS = {"anonymous": "anonymous", "customer": "stranger"} | {r: r for r in STAFF}
EVERYONE = frozenset(COLUMNS)
SIGNED_IN = EVERYONE - {"anonymous"}
# Here a good form is refused for what it says, with the status of a shut door: whom these
# routes let in can't be read from the table.
REFUSED_BEHIND_THE_DOOR = {
    "POST /api/v1/auth/login": EVERYONE,
    "POST /api/v1/auth/mfa": EVERYONE,
    "POST /api/v1/auth/passkeys": SIGNED_IN,
    "POST /api/v1/auth/passkeys/login": EVERYONE,
    "POST /api/v1/auth/refresh": EVERYONE,
    "POST /api/v1/auth/step-up": SIGNED_IN,
}
TABLE = read_table()

# Outside the API, where there is no sign-in by token: page and what it answers.
PAGES = {
    "": 302,
    "api/docs": 200,
    "api/redoc": 200,
    "api/schema": 200,
    "metrics": 200,
    "health/details": 401,
    "status": 200,
    "problems": 200,
    "problems/<slug:slug>": 404,
    "dev/mail": 200,
    "dev/mail/<str:mail_id>": 404,
    "media/demo/<path:path>": 404,
}
each_operation = pytest.mark.parametrize("operation", operations(), ids=str)


@pytest.fixture
def callers(api, api_as, customer, staff):
    def caller(role):
        if role == "anonymous":
            return api
        return api_as(customer if role == "customer" else staff(role))

    return {role: caller(role) for role in COLUMNS}


def let_in(route):
    if route in REFUSED_BEHIND_THE_DOOR:
        return REFUSED_BEHIND_THE_DOOR[route]
    cells = TABLE[route]
    return {role for role in COLUMNS if cells[COLUMNS[role]] not in {401, 403}}


@each_operation
def test_a_route_has_its_line(operation):
    assert str(operation) in TABLE, "access/table.py says how to add its line"


def test_what_is_refused_behind_the_door_is_so_with_a_good_form():
    """An exception that isn't one any more would hide who is let in."""
    for route, allowed in REFUSED_BEHIND_THE_DOOR.items():
        refused = {TABLE[route][COLUMNS[role]] for role in allowed}
        assert refused <= {401, 403}, route


@each_operation
def test_only_those_named_are_let_in(operation, callers):
    allowed = let_in(str(operation))

    answers = {role: ask(callers[role], operation) for role in COLUMNS}

    for role, response in answers.items():
        if role in allowed:
            assert response.status_code not in {401, 403}, role
            assert response.status_code < 500, role
        else:
            expected = 401 if role == "anonymous" else 403
            assert response.status_code == expected, role


def ask(client, operation):
    ask_for = getattr(client, operation.method.lower())
    if operation.method in {"GET", "DELETE"}:
        return ask_for(operation.address())
    # An empty object: the door comes before the form.
    return ask_for(operation.address(), {})


def routes(patterns, prefix=""):
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def test_no_route_is_outside_the_tables():
    outside = [
        route
        for route in routes(get_resolver().url_patterns)
        if not route.startswith(("api/v1/", "admin/")) and route not in PAGES
    ]

    assert outside == []


@pytest.mark.parametrize("route", sorted(PAGES))
@pytest.mark.django_db
def test_a_page_answers_anyone(api, route):
    path = re.sub("<.*>", "none", route)

    response = api.get(f"/{path}", headers={"Accept": "*/*"})

    assert response.status_code == PAGES[route]


@pytest.mark.parametrize(
    "route",
    sorted(
        r
        for r in routes(get_resolver().url_patterns)
        if r.startswith("admin/") and "<" not in r and "(" not in r
    ),
)
@pytest.mark.django_db
def test_the_admin_lets_no_customer_in(client, customer, route):
    public = {
        "admin/login/",
        "admin/login/passkey/",
        "admin/jsi18n/",
        "admin/logout/",
    }
    client.force_login(customer)

    response = client.get(f"/{route}")

    if route not in public:
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/admin/login/")
