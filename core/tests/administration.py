"""What the tests of every app's administration need."""

from django.db import connection
from django.test.utils import CaptureQueriesContext


def queries_of(client, address):
    """Open a page and return its queries, having warmed what is asked once a process."""
    assert client.get(address).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
    assert response.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def assert_cost_is_flat(client, address, make_row):
    """One row and three cost the same queries."""
    make_row()
    with_one = queries_of(client, address)
    make_row()
    make_row()
    with_three = queries_of(client, address)
    assert len(with_three) == len(with_one), "\n".join(with_three)
