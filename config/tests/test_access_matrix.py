"""Who is let in where. A route without its line here fails the suite.

One line per route, in the order of the API reference. *In* means that the caller gets
past the door: what lies behind it (another's order is a 404) is tested with the app.
"""

import re

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from config.tests.schema import operations

ROLES = (
    "anonymous",
    "customer",
    "support",
    "catalog_manager",
    "warehouse",
    "moderator",
    "admin",
)
EVERYONE = frozenset(ROLES)
SIGNED_IN = EVERYONE - {"anonymous"}


def only(*roles):
    """Name the roles that may; admin always may."""
    assert set(roles) <= EVERYONE
    return frozenset({*roles, "admin"})


MATRIX = {
    "GET /api/v1/api-keys": only(),
    "POST /api/v1/api-keys": only(),
    "GET /api/v1/api-keys/{id}": only(),
    "PATCH /api/v1/api-keys/{id}": only(),
    "POST /api/v1/api-keys/{id}/revoke": only(),
    "POST /api/v1/api-keys/{id}/rotate": only(),
    "GET /api/v1/attributes": EVERYONE,
    "POST /api/v1/attributes": only("catalog_manager"),
    "DELETE /api/v1/attributes/{key}": only("catalog_manager"),
    "GET /api/v1/attributes/{key}": EVERYONE,
    "PATCH /api/v1/attributes/{key}": only("catalog_manager"),
    "GET /api/v1/attributes/{key}/values": EVERYONE,
    "POST /api/v1/attributes/{key}/values": only("catalog_manager"),
    "DELETE /api/v1/attributes/{key}/values/{value}": only("catalog_manager"),
    "GET /api/v1/attributes/{key}/values/{value}": EVERYONE,
    "PATCH /api/v1/attributes/{key}/values/{value}": only("catalog_manager"),
    "POST /api/v1/auth/change-email": SIGNED_IN,
    "POST /api/v1/auth/change-password": SIGNED_IN,
    "POST /api/v1/auth/confirm-email": EVERYONE,
    "POST /api/v1/auth/forgot-password": EVERYONE,
    "POST /api/v1/auth/register": EVERYONE,
    "POST /api/v1/auth/resend-verification": EVERYONE,
    "POST /api/v1/auth/reset-password": EVERYONE,
    "POST /api/v1/auth/verify-email": EVERYONE,
    "POST /api/v1/auth/login": EVERYONE,
    "POST /api/v1/auth/logout": SIGNED_IN,
    "DELETE /api/v1/auth/sessions": SIGNED_IN,
    "GET /api/v1/auth/sessions": SIGNED_IN,
    "DELETE /api/v1/auth/sessions/{id}": SIGNED_IN,
    "DELETE /api/v1/auth/me": SIGNED_IN,
    "GET /api/v1/auth/me": SIGNED_IN,
    "POST /api/v1/auth/mfa": EVERYONE,
    "POST /api/v1/auth/mfa/recovery-codes": SIGNED_IN,
    "DELETE /api/v1/auth/mfa/totp": SIGNED_IN,
    "POST /api/v1/auth/mfa/totp": SIGNED_IN,
    "POST /api/v1/auth/mfa/totp/confirm": SIGNED_IN,
    "GET /api/v1/auth/oauth/providers": EVERYONE,
    "POST /api/v1/auth/oauth/{provider}/callback": EVERYONE,
    "POST /api/v1/auth/oauth/{provider}/start": EVERYONE,
    "GET /api/v1/auth/passkeys": SIGNED_IN,
    "POST /api/v1/auth/passkeys": SIGNED_IN,
    "POST /api/v1/auth/passkeys/login": EVERYONE,
    "POST /api/v1/auth/passkeys/login/options": EVERYONE,
    "POST /api/v1/auth/passkeys/options": SIGNED_IN,
    "DELETE /api/v1/auth/passkeys/{id}": SIGNED_IN,
    "PATCH /api/v1/auth/passkeys/{id}": SIGNED_IN,
    "PATCH /api/v1/auth/me": SIGNED_IN,
    "POST /api/v1/auth/refresh": EVERYONE,
    "POST /api/v1/auth/step-up": SIGNED_IN,
    "POST /api/v1/auth/step-up/options": SIGNED_IN,
    "POST /api/v1/auth/undo-erasure": EVERYONE,
    "POST /api/v1/carts": EVERYONE,
    "GET /api/v1/carts/{cart_id}": EVERYONE,
    "PATCH /api/v1/carts/{cart_id}": EVERYONE,
    "POST /api/v1/carts/{cart_id}/checkout": EVERYONE,
    "POST /api/v1/carts/{cart_id}/claim": SIGNED_IN,
    "POST /api/v1/carts/{cart_id}/items": EVERYONE,
    "DELETE /api/v1/carts/{cart_id}/items/{item_id}": EVERYONE,
    "PATCH /api/v1/carts/{cart_id}/items/{item_id}": EVERYONE,
    "POST /api/v1/carts/{cart_id}/reserve": EVERYONE,
    "GET /api/v1/carts/{cart_id}/shipping-options": EVERYONE,
    "GET /api/v1/categories": EVERYONE,
    "POST /api/v1/categories": only("catalog_manager"),
    "DELETE /api/v1/categories/{key}": only("catalog_manager"),
    "GET /api/v1/categories/{key}": EVERYONE,
    "PATCH /api/v1/categories/{key}": only("catalog_manager"),
    "GET /api/v1/collections": EVERYONE,
    "POST /api/v1/collections": only("catalog_manager"),
    "DELETE /api/v1/collections/{key}": only("catalog_manager"),
    "GET /api/v1/collections/{key}": EVERYONE,
    "PATCH /api/v1/collections/{key}": only("catalog_manager"),
    "DELETE /api/v1/images/{id}": only("catalog_manager"),
    "GET /api/v1/images/{id}": EVERYONE,
    "PATCH /api/v1/images/{id}": only("catalog_manager"),
    "POST /api/v1/imports": only("catalog_manager"),
    "GET /api/v1/imports/{id}": only("catalog_manager"),
    "GET /api/v1/imports/{id}/errors": only("catalog_manager"),
    "GET /api/v1/me/activity": SIGNED_IN,
    "GET /api/v1/me/addresses": SIGNED_IN,
    "POST /api/v1/me/addresses": SIGNED_IN,
    "DELETE /api/v1/me/addresses/{id}": SIGNED_IN,
    "GET /api/v1/me/addresses/{id}": SIGNED_IN,
    "PATCH /api/v1/me/addresses/{id}": SIGNED_IN,
    "GET /api/v1/me/preferences": SIGNED_IN,
    "PATCH /api/v1/me/preferences": SIGNED_IN,
    "GET /api/v1/me/preferences/consents": SIGNED_IN,
    "GET /api/v1/me/cart": SIGNED_IN,
    "POST /api/v1/me/exports": SIGNED_IN,
    "GET /api/v1/me/exports/{id}": SIGNED_IN,
    "GET /api/v1/me/exports/{id}/file": EVERYONE,
    "GET /api/v1/me/identities": SIGNED_IN,
    "POST /api/v1/me/identities": SIGNED_IN,
    "POST /api/v1/me/identities/start": SIGNED_IN,
    "DELETE /api/v1/me/identities/{id}": SIGNED_IN,
    "GET /api/v1/orders": SIGNED_IN,
    "GET /api/v1/orders/{number}": EVERYONE,
    "POST /api/v1/orders/{number}/cancel": EVERYONE,
    "GET /api/v1/orders/{number}/timeline": EVERYONE,
    "GET /api/v1/products": EVERYONE,
    "POST /api/v1/products": only("catalog_manager"),
    "DELETE /api/v1/products/{key}": only("catalog_manager"),
    "GET /api/v1/products/{key}": EVERYONE,
    "PATCH /api/v1/products/{key}": only("catalog_manager"),
    "POST /api/v1/products/{key}/archive": only("catalog_manager"),
    "POST /api/v1/products/{key}/images": only("catalog_manager"),
    "POST /api/v1/products/{key}/publish": only("catalog_manager"),
    "POST /api/v1/products/{key}/variants": only("catalog_manager"),
    "GET /api/v1/roles": only(),
    "PUT /api/v1/roles/{name}": only(),
    "GET /api/v1/search": EVERYONE,
    "GET /api/v1/stock": only("warehouse"),
    "POST /api/v1/stock/adjustments": only("warehouse"),
    "GET /api/v1/stock/movements": only("warehouse"),
    "GET /api/v1/stock/reservations": only("warehouse"),
    "PATCH /api/v1/stock/{id}": only("warehouse"),
    "GET /api/v1/users": only("support"),
    "GET /api/v1/users/{id}": only("support"),
    "DELETE /api/v1/users/{id}/sessions": only(),
    "POST /api/v1/users/{id}/deactivate": only(),
    "POST /api/v1/users/{id}/mfa-reset": only(),
    "POST /api/v1/users/{id}/password-reset": only("support"),
    "POST /api/v1/users/{id}/reactivate": only(),
    "PUT /api/v1/users/{id}/roles": only(),
    "DELETE /api/v1/variants/{id}": only("catalog_manager"),
    "GET /api/v1/variants/{id}": EVERYONE,
    "PATCH /api/v1/variants/{id}": only("catalog_manager"),
    "GET /api/v1/variants/{id}/prices": EVERYONE,
    "POST /api/v1/variants/{id}/prices": only("catalog_manager"),
    "DELETE /api/v1/variants/{id}/prices/{currency}": only("catalog_manager"),
    "GET /api/v1/variants/{id}/prices/{currency}": EVERYONE,
    "PATCH /api/v1/variants/{id}/prices/{currency}": only("catalog_manager"),
    "GET /api/v1/vendors": EVERYONE,
    "POST /api/v1/vendors": only("catalog_manager"),
    "DELETE /api/v1/vendors/{key}": only("catalog_manager"),
    "GET /api/v1/vendors/{key}": EVERYONE,
    "PATCH /api/v1/vendors/{key}": only("catalog_manager"),
    "GET /api/v1/warehouses": only("warehouse"),
    "POST /api/v1/warehouses": only("warehouse"),
    "PATCH /api/v1/warehouses/{id}": only("warehouse"),
}

# Outside the API, where there is no sign-in by token: page and what it answers.
PAGES = {
    "": 302,
    "api/docs": 200,
    "api/redoc": 200,
    "api/schema": 200,
    "metrics": 200,
    "health/details": 401,
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

    return {role: caller(role) for role in ROLES}


@each_operation
def test_a_route_has_its_line(operation):
    assert str(operation) in MATRIX, "add its line to MATRIX"


def test_a_line_has_its_route():
    assert set(MATRIX) - {str(operation) for operation in operations()} == set()


@each_operation
def test_only_those_named_are_let_in(operation, callers):
    allowed = MATRIX[str(operation)]

    answers = {role: ask(callers[role], operation) for role in ROLES}

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
