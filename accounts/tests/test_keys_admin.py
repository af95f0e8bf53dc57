from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey
from accounts.services import create_api_key, revoke_api_key
from accounts.tests.factories import make_user
from core.tests.administration import assert_cost_is_flat

pytestmark = pytest.mark.django_db
KEYS = "/admin/accounts/apikey/"
VIEW_STOCK = "inventory.view_stock"


@pytest.fixture
def boss():
    return make_user(roles=("admin",))


@pytest.fixture
def page(client, boss):
    client.force_login(boss)
    return client


def make_key(boss, **fields):
    given = {"name": "ERP", "scopes": [VIEW_STOCK], "now": timezone.now()}
    return create_api_key(actor=boss, **given | fields)


def wish(**changes):
    in_a_month = timezone.now() + timedelta(days=30)
    return {
        "name": "ERP",
        "scopes": [VIEW_STOCK],
        "expires_at_0": in_a_month.date().isoformat(),
        "expires_at_1": "12:00:00",
        "requests_per_minute": "",
    } | changes


def ask(secret, path="/api/v1/stock"):
    return (
        APIClient(headers={"Authorization": f"Bearer {secret}"}).get(path).status_code
    )


def test_a_new_key_shows_its_secret_in_a_message(page):
    response = page.post(f"{KEYS}add/", wish(requests_per_minute="60"), follow=True)

    key = ApiKey.objects.get()
    [message] = [m.message for m in response.context["messages"] if "sw_" in m.message]
    secret = message.split()[1]
    assert ask(secret) == 200
    assert key.shown_prefix in secret
    shown = page.get(f"{KEYS}{key.pk}/change/").text
    assert secret not in shown
    assert 'value="60"' in shown


def test_a_change_goes_through_the_service(page, boss):
    issued = make_key(boss)

    response = page.post(
        f"{KEYS}{issued.key.pk}/change/",
        wish(scopes=["orders.view_order"], requests_per_minute="7"),
    )

    assert response.status_code == 302
    assert ask(issued.secret) == 403
    assert ask(issued.secret, "/api/v1/orders") == 200


def test_the_page_gives_nobody_more_than_he_has(client, boss):
    manager = make_user(roles=("warehouse",))
    codenames = ["add_apikey", "change_apikey", "view_apikey"]
    manager.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    client.force_login(manager)

    client.post(f"{KEYS}add/", wish(scopes=["orders.view_order"]))
    strong = make_key(boss, scopes=["orders.view_order"])
    body = {"action": "rotate", "_selected_action": [str(strong.key.pk)]}
    client.post(KEYS, body)

    assert ApiKey.objects.get() == strong.key
    strong.key.refresh_from_db()
    assert strong.key.previous_hash is None


def test_keys_are_turned_and_revoked_from_the_list(page, boss):
    issued = make_key(boss)
    chosen = {"_selected_action": [str(issued.key.pk)]}

    response = page.post(KEYS, chosen | {"action": "rotate"}, follow=True)
    [message] = [m.message for m in response.context["messages"] if "sw_" in m.message]
    new_secret = message.split()[1]
    assert [ask(issued.secret), ask(new_secret)] == [200, 200]

    page.post(KEYS, chosen | {"action": "revoke"})
    assert [ask(issued.secret), ask(new_secret)] == [401, 401]


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at_0": "2020-01-01"},
        {"expires_at_0": "2099-01-01"},
        {"scopes": ["accounts.change_user"]},
        {"scopes": []},
    ],
)
def test_a_bad_wish_is_refused_in_the_form(page, change):
    response = page.post(f"{KEYS}add/", wish(**change))

    assert response.status_code == 200
    assert not ApiKey.objects.exists()


def test_a_revoked_key_is_only_looked_at_and_none_is_deleted(page, boss):
    issued = make_key(boss)
    address = f"{KEYS}{issued.key.pk}"
    assert page.post(f"{address}/delete/").status_code == 403

    revoke_api_key(key_id=issued.key.pk, actor_id=boss.pk, now=timezone.now())

    assert page.post(f"{address}/change/", wish()).status_code == 403
    assert page.get(f"{address}/change/").status_code == 200


def test_the_list_costs_the_same_for_any_number_of_rows(page, boss):
    assert_cost_is_flat(page, KEYS, lambda: make_key(boss))
