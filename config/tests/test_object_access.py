"""Every route against everybody, with real objects in the path; see access/table.txt."""

import os

import pytest
from django.db import transaction

from config.tests.access.table import read_table, write_table
from config.tests.access.world import CALLERS, INNER_SCOPES, build_world
from config.tests.schema import operations

# Take what is answered as what is wanted, for new routes; then read it.
WRITES = "WRITE_ACCESS_TABLE" in os.environ
# So that the machine's cores share the work; each part builds a world of its own.
PARTS = 4


def scopes_of(operation):
    if str(operation) in INNER_SCOPES:
        return frozenset({INNER_SCOPES[str(operation)]})
    schemes = operation.content.get("security", [])
    return frozenset(s for scheme in schemes for s in scheme.get("api_key", ()))


def headers_of(operation):
    values = {"If-Match": '"1"', "Idempotency-Key": "of-the-matrix"}
    return {
        parameter["name"]: values[parameter["name"]]
        for parameter in operation.content.get("parameters", [])
        if parameter["in"] == "header" and parameter.get("required")
    }


def ask(client, operation, world):
    """Send the request as the reference shows it, and take its effects back."""
    send = getattr(client, operation.method.lower())
    body = world.bodies.get(str(operation), operation.body_example())
    has_body = operation.method not in {"GET", "DELETE"} or bool(body)
    with transaction.atomic():
        response = send(
            world.address_of(operation.path),
            *((body,) if has_body else ()),
            headers=headers_of(operation),
        )
        transaction.set_rollback(True)
    return response.status_code


def answers(operation, world):
    scopes = scopes_of(operation)
    return {c: ask(world.client(c, scopes), operation, world) for c in CALLERS}


@pytest.mark.django_db
@pytest.mark.parametrize("part", range(PARTS))
def test_everybody_is_answered_as_the_table_says(part, settings):
    # Offered, and never reached: the cart in the world isn't ready to be paid.
    settings.PAYMENT_SIMULATOR_URL = "http://127.0.0.1:9"
    world, table = build_world(), read_table()

    found = {str(o): answers(o, world) for o in operations()[part::PARTS]}

    if WRITES:
        write_table(table | found)
    elif missing := set(found) - set(table):
        pytest.fail(f"Routes without a line (access/table.py says how): {missing}")
    else:
        assert found == {route: table[route] for route in found}
    failures = {r: s for r, s in found.items() if max(s.values()) >= 500}
    assert failures == {}


def test_the_table_has_no_line_without_its_route():
    assert set(read_table()) - {str(operation) for operation in operations()} == set()


def test_what_is_somebodys_own_is_nobody_elses():
    """Hold the table itself to account, whoever writes it."""
    table = read_table()
    own = {
        str(operation): table[str(operation)]
        for operation in operations()
        # A signed link is another matter: who has it is let in.
        if operation.content["x-permission"] == "user"
        and operation.path.startswith("/api/v1/me/")
        and "{" in operation.path
    }

    assert own
    for route, answered in own.items():
        assert answered.pop("owner") < 300, route
        assert answered.pop("anonymous") == 401, route
        assert set(answered.values()) <= {403, 404}, route


def test_a_key_opens_only_what_its_scope_names():
    table = read_table()
    for operation in operations():
        if operation.content["x-permission"] == "anyone":
            continue
        answered = table[str(operation)]
        assert answered["key_without"] == 403, operation
        # 403 too where the route names no scope: it is for people.
        assert (answered["key"] == 403) == (not scopes_of(operation)), operation
