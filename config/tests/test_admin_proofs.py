"""Which pages of the administration ask for a fresh proof, and that none is forgotten."""

import re

import pytest
from django.contrib import admin

from accounts.tests.browsers import UnprovenClient
from accounts.tests.factories import make_user
from core.administration import ModelAdmin

# There is no other way to list them.
ADMINS = {
    model._meta.label: model_admin  # noqa: SLF001 -- Django documents it
    for model, model_admin in admin.site._registry.items()  # noqa: SLF001 -- as said
}
SENSITIVE = {
    "accounts.ApiKey",
    "accounts.User",
    "auth.Group",
    "core.AddressBlock",
    "core.BreakerControl",
    "core.RateLimitPolicy",
    "core.RouteWeight",
    "core.Switch",
}
# The shop's daily work: what is sold, where it lies, who ordered what. As in the API,
# it gives nobody more rights and takes no protection away.
DAILY = {
    "catalog.Attribute",
    "catalog.Category",
    "catalog.Collection",
    "catalog.ImportJob",
    "catalog.Product",
    "catalog.Variant",
    "catalog.Vendor",
    "core.OutboxDelivery",
    "inventory.Stock",
    "inventory.Warehouse",
    "notifications.Delivery",
    "orders.Order",
    "orders.ShippingOption",
}


def pages_of(label):
    model_admin = ADMINS[label]
    start = f"/admin/{label.lower().replace('.', '/')}/"
    for pattern in model_admin.urls:
        route = re.sub("<path:object_id>", "019aa5c0", str(pattern.pattern))
        yield start + route


PAGES = [page for label in sorted(SENSITIVE) for page in pages_of(label)]


@pytest.fixture
def boss(db):
    """Sits in a session whose proof is long ago: of no moment that it knows."""
    client = UnprovenClient()
    client.force_login(make_user(roles=("admin",), is_superuser=True))
    return client


def may_write(model_admin, request):
    return (
        model_admin.has_add_permission(request)
        or model_admin.has_change_permission(request)
        or model_admin.has_delete_permission(request)
        or any(name != "delete_selected" for name in model_admin.actions or ())
    )


def asks(response):
    return "admin/prove.html" in {template.name for template in response.templates}


def test_what_is_sensitive_is_marked():
    marked = {label for label, one in ADMINS.items() if one.is_sensitive}

    assert marked == SENSITIVE


def test_every_admin_that_writes_is_one_or_the_other(rf, db):
    request = rf.get("/")
    request.user = make_user(roles=("admin",), is_superuser=True)

    writing = {label for label, one in ADMINS.items() if may_write(one, request)}

    assert writing == SENSITIVE | DAILY


def test_every_admin_is_of_our_own_class():
    """Else its pages would know no guard."""
    assert all(isinstance(model_admin, ModelAdmin) for model_admin in ADMINS.values())


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_sensitive_page_takes_anything_without_a_proof(boss, page, method):
    response = getattr(boss, method)(page, {"post": "yes"})

    assert response.status_code == 200
    assert asks(response)


@pytest.mark.parametrize("page", PAGES)
def test_reading_needs_none(boss, page):
    response = boss.get(page)

    assert response.status_code in {200, 302, 403, 405}
    assert not response.templates or not asks(response)


@pytest.mark.parametrize("label", sorted(SENSITIVE))
def test_nothing_sensitive_is_done_by_a_link(label):
    """Unfold's own buttons call an action by GET, which no proof stands before."""
    model_admin = ADMINS[label]

    assert not model_admin.actions_list
    assert not model_admin.actions_row
    assert not model_admin.actions_detail


def test_no_other_page_changes_it_on_the_side():
    inlined = {
        inline.model._meta.label  # noqa: SLF001 -- as said
        for label in DAILY
        for inline in ADMINS[label].inlines
    }

    assert not inlined & SENSITIVE


@pytest.mark.parametrize("label", sorted(SENSITIVE))
def test_no_sensitive_form_takes_a_file(label, rf, db):
    """What was typed waits in the page that asks; a file could not."""
    request = rf.get("/")
    request.user = make_user(roles=("admin",), is_superuser=True)

    assert not ADMINS[label].get_form(request)().is_multipart()
