"""Every route says how important it is; what is silent would be shed as if nobody needed it."""

from itertools import pairwise

import pytest
from django.urls import get_resolver

from config.settings import _priorities
from config.tests.schema import operations
from config.tests.test_access_matrix import PAGES, routes
from core.protection.priorities import Priorities

PRIORITIES = Priorities(_priorities.ROUTES, otherwise=_priorities.OTHERWISE)


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_an_operation_has_its_priority(operation):
    named = PRIORITIES.named(operation.method, operation.path)

    assert named is not None, "add its line to config/settings/_priorities.py"


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_has_its_priority(page):
    assert PRIORITIES.named("GET", f"/{page}") is not None


def test_a_route_without_a_line_would_be_found():
    assert PRIORITIES.named("GET", "/api/v1/unheard-of") is None
    assert PRIORITIES.named("POST", "/api/v1/search") is None


def test_the_admin_has_its_priority():
    pages = [r for r in routes(get_resolver().url_patterns) if r.startswith("admin/")]

    assert {PRIORITIES.find("GET", f"/{page}") for page in pages} == {_priorities.STAFF}


@pytest.mark.parametrize(
    ("call", "level"),
    [
        ("POST /api/v1/carts/1/checkout", 10),
        ("PATCH /api/v1/carts/1", 30),
        ("POST /api/v1/carts", 30),
        ("POST /api/v1/auth/login", 30),
        ("GET /api/v1/products", 50),
        ("HEAD /api/v1/products/mug", 50),
        ("GET /api/v1/search", 50),
        ("PATCH /api/v1/products/mug", 20),
        ("POST /api/v1/stock/adjustments", 20),
        ("POST /api/v1/imports", 90),
        ("GET /admin/orders/order/", 20),
        ("GET /metrics", 0),
        ("GET /api/docs", 70),
        ("GET /favicon.ico", 70),
    ],
)
def test_what_is_important_is_known(call, level):
    assert PRIORITIES.find(*call.split()).level == level


def test_classes_do_not_overlap():
    classes = sorted(
        {(p.level, p.level + p.width) for p in _priorities.ROUTES.values() if p.width}
    )

    ends = [(last, level) for (_, last), (level, _) in pairwise(classes)]
    assert all(last <= level for last, level in ends)
    assert classes[-1][1] == 100
