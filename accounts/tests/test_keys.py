"""API keys: how machines are made out, let in, kept to their scopes and shut out."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.auth import key_memory, new_key_token, principal_of_key
from accounts.models import ApiKey
from accounts.services import (
    create_api_key,
    revoke_api_key,
    rotate_api_key,
)
from accounts.tests.factories import make_user
from core import audit
from core.models import AuditEntry, IdempotencyRecord, RateLimitPolicy
from core.protection.rules import rulebook
from core.tests.processes import running, wait_until
from inventory.models import Movement
from inventory.tests.factories import make_stock

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEYS = "/api/v1/api-keys"
STOCK = "/api/v1/stock"
VIEW_STOCK = "inventory.view_stock"


@pytest.fixture(autouse=True)
def _nothing_remembered():
    key_memory.clear()


@pytest.fixture
def at_noon():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def boss():
    return make_user(roles=("admin",))


@pytest.fixture
def boss_api(api_as, boss):
    return api_as(boss)


def issue(boss, *scopes, **fields):
    given = {"name": "ERP", "scopes": scopes or (VIEW_STOCK,), "now": NOW}
    return create_api_key(actor=boss, **given | fields)


def bearing(secret):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def ask(secret, path=STOCK):
    return bearing(secret).get(path)


def refused(response, detail):
    problem = response.json()
    assert (response.status_code, problem["code"]) == (401, "authentication_failed")
    assert problem["detail"] == detail
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.usefixtures("at_noon")
def test_a_key_is_made_out_and_shows_its_secret_once(boss_api, boss):
    body = {
        "name": "ERP",
        "scopes": [VIEW_STOCK, "catalog.view_product"],
        "requests_per_minute": 60,
    }

    response = boss_api.post(KEYS, body)

    assert response.status_code == 201
    shown = response.json()
    secret = shown.pop("secret")
    key = ApiKey.objects.get()
    assert shown == {
        "id": str(key.pk),
        "name": "ERP",
        "prefix": f"sw_test_{key.prefix}",
        "mode": "test",
        "status": "active",
        "scopes": ["catalog.view_product", VIEW_STOCK],
        "requests_per_minute": 60,
        "expires_at": "2027-11-21T12:00:00.000000Z",
        "last_used_at": None,
        "previous_valid_until": None,
        "revoked_at": None,
        "created_by": {"id": str(boss.pk), "email": boss.email},
        "created_at": "2026-11-21T12:00:00.000000Z",
    }
    assert secret.startswith(f"sw_test_{key.prefix}_")
    assert boss_api.get(f"{KEYS}/{key.pk}").json() == shown
    assert boss_api.get(KEYS).json()["results"] == [shown]
    assert "no-store" in response.headers["Cache-Control"]


def test_the_secret_rests_nowhere(boss_api):
    body = {"name": "ERP", "scopes": [VIEW_STOCK]}
    made = boss_api.post(KEYS, body, headers={"Idempotency-Key": "k-1"}).json()
    turned = boss_api.post(
        f"{KEYS}/{made['id']}/rotate", {}, headers={"Idempotency-Key": "k-2"}
    ).json()

    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')  # noqa: S608 -- our own tables
            rows = " ".join(row for (row,) in cursor.fetchall())
            for secret in (made["secret"], turned["secret"]):
                assert secret[25:] not in rows, table
    assert not IdempotencyRecord.objects.exists()


def test_a_key_opens_what_its_scopes_name_and_nothing_else(boss):
    secret = issue(boss, VIEW_STOCK).secret

    assert ask(secret).status_code == 200
    assert ask(secret, "/api/v1/warehouses").status_code == 403
    assert ask(secret, "/api/v1/products").status_code == 200
    assert bearing(secret).post(f"{STOCK}/adjustments", {}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/auth/me"),
        ("get", "/api/v1/me/activity"),
        ("get", "/api/v1/me/cart"),
        ("get", KEYS),
        ("post", KEYS),
    ],
)
def test_a_machine_is_nobody(boss, method, path):
    secret = issue(boss, VIEW_STOCK, "orders.view_order").secret

    response = getattr(bearing(secret), method)(path)

    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


def test_a_machine_sees_all_orders_with_the_scope_and_none_without(boss):
    with_scope = issue(boss, "orders.view_order").secret
    without = issue(boss).secret

    assert ask(with_scope, "/api/v1/orders").status_code == 200
    assert ask(without, "/api/v1/orders").status_code == 403
    assert ask(without, "/api/v1/orders/SW-1").status_code == 404


def test_a_machine_opens_a_cart_as_a_guest_does(boss):
    response = bearing(issue(boss).secret).post("/api/v1/carts", {})

    assert response.status_code == 201


def test_what_a_machine_does_is_written_down_under_its_key(boss):
    stock = make_stock(on_hand=5)
    issued = issue(boss, "inventory.change_stock")
    body = {
        "variant_id": str(stock.variant_id),
        "warehouse": "main",
        "change": 1,
        "reason": "Found",
    }

    response = bearing(issued.secret).post(
        f"{STOCK}/adjustments", body, headers={"Idempotency-Key": "one"}
    )

    assert response.status_code == 201
    assert Movement.objects.latest("id").actor_id == issued.key.pk
    assert IdempotencyRecord.objects.get().scope == f"key:{issued.key.pk}"


@pytest.mark.parametrize(
    "text",
    [
        "sw_",
        "sw_test_",
        "sw_test_abc_def",
        "sw_prod_0123456789ab_" + "x" * 54,
        "sw_test_0123456789ab_" + "x" * 55,
        "sw_test_0123456789ab_" + "x" * 5000,
        "sw_test_0123456789a\u00e9_" + "x" * 54,
    ],
)
def test_what_is_no_whole_key_is_refused(db, text):
    with CaptureQueriesContext(connection) as queries:
        response = APIClient().get(
            STOCK, HTTP_AUTHORIZATION=f"Bearer {text}".encode().decode("latin-1")
        )

    refused(response, "That is not a whole API key.")
    assert len(queries) == 0


def test_keys_that_are_none_are_refused_alike(boss):
    issued = issue(boss)
    of_nobody = new_key_token("test").text
    wrong_secret = new_key_token("test", prefix=issued.key.prefix).text

    for secret in (of_nobody, wrong_secret):
        refused(ask(secret), "There is no such API key.")


def test_a_key_also_shuts_its_door_where_everybody_is_let_in(boss):
    refused(
        ask(new_key_token("test").text, "/api/v1/orders/SW-1"),
        "There is no such API key.",
    )


def test_a_shop_takes_keys_of_its_own_sort_only(boss, settings):
    test_key = issue(boss).secret
    settings.API_KEY_MODE = "live"
    live_key = issue(boss).secret

    assert live_key.startswith("sw_live_")
    assert ask(live_key).status_code == 200
    refused(ask(test_key), "This shop takes live keys, not test ones.")


def test_an_expired_key_is_refused_at_the_very_second(boss, at_noon, settings):
    settings.API_KEY_MEMORY_SECONDS = 3.0
    secret = issue(boss, expires_at=NOW + timedelta(minutes=1)).secret
    assert ask(secret).status_code == 200

    at_noon.move_to(NOW + timedelta(minutes=1))

    refused(ask(secret), "The API key has expired.")
    key_memory.clear()
    refused(ask(secret), "The API key has expired.")


@pytest.mark.usefixtures("at_noon")
def test_last_used_is_written_once_a_minute(boss, at_noon):
    issued = issue(boss)

    def used_at(seconds):
        at_noon.move_to(NOW + timedelta(seconds=seconds))
        assert ask(issued.secret).status_code == 200
        issued.key.refresh_from_db()
        return (issued.key.last_used_at - NOW).total_seconds()

    assert [used_at(s) for s in (0, 59, 60, 61, 200)] == [0, 0, 60, 60, 200]


def test_a_key_seen_just_now_costs_no_query(boss, settings):
    settings.API_KEY_MEMORY_SECONDS = 60
    secret = issue(boss).secret
    ask(secret)

    def authentications():
        with CaptureQueriesContext(connection) as queries:
            ask(secret)
        return [q["sql"] for q in queries if "apikey" in q["sql"]]

    assert authentications() == []
    settings.API_KEY_MEMORY_SECONDS = 0
    assert len(authentications()) == 1


def test_nobody_gives_a_key_more_than_he_has(api_as):
    manager = make_user(roles=("warehouse",))
    api = api_as(manager)
    manager.user_permissions.add(
        *Permission.objects.filter(codename__in=["add_apikey", "change_apikey"])
    )
    body = {"name": "x", "scopes": [VIEW_STOCK, "orders.view_order"]}

    response = api.post(KEYS, body)

    assert (response.status_code, response.json()["code"]) == (403, "grants_too_much")
    assert [e["pointer"] for e in response.json()["errors"]] == ["#/scopes/1"]
    assert api.post(KEYS, body | {"scopes": [VIEW_STOCK]}).status_code == 201

    strong = issue(make_user(roles=("admin",)), VIEW_STOCK, "orders.view_order")
    address = f"{KEYS}/{strong.key.pk}"
    for path, change in (
        (f"{address}/rotate", {}),
        (address, {"scopes": [VIEW_STOCK, "catalog.view_product", "orders.add_order"]}),
        (address, {"expires_at": "2028-01-01T00:00:00Z"}),
    ):
        send = api.post if path.endswith("rotate") else api.patch
        assert send(path, change).json()["code"] == "grants_too_much", path
    # Less is always in order.
    assert api.patch(address, {"scopes": [VIEW_STOCK]}).status_code == 200


@pytest.mark.parametrize(
    "scope",
    [
        "inventory.view_unicorn",
        "nonsense",
        "accounts.add_apikey",
        "accounts.change_user",
        "auth.change_group",
        "core.change_ratelimitpolicy",
    ],
)
def test_what_is_no_scope_is_refused(boss_api, scope):
    response = boss_api.post(KEYS, {"name": "x", "scopes": [VIEW_STOCK, scope]})

    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "unknown_permission")
    assert [(e["pointer"], e["permission"]) for e in problem["errors"]] == [
        ("#/scopes/1", scope)
    ]


def test_a_scope_that_came_by_another_way_opens_nothing(boss):
    issued = issue(boss)
    ApiKey.objects.update(scopes=["accounts.view_apikey", "auth.change_group"])

    assert ask(issued.secret, KEYS).status_code == 403


@pytest.mark.usefixtures("at_noon")
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"expires_at": "2026-11-21T12:00:00Z"}, "#/expires_at"),
        ({"expires_at": "2028-11-21T12:00:00Z"}, "#/expires_at"),
        ({"requests_per_minute": 0}, "#/requests_per_minute"),
        ({"scopes": []}, "#/scopes"),
        ({"name": ""}, "#/name"),
        ({"mode": "live"}, "#/mode"),
    ],
)
def test_bad_wishes_name_their_place(boss_api, change, pointer):
    body = {"name": "x", "scopes": [VIEW_STOCK]} | change

    response = boss_api.post(KEYS, body)

    assert response.status_code == 422
    assert [e["pointer"] for e in response.json()["errors"]] == [pointer]


@pytest.mark.usefixtures("at_noon")
def test_after_a_rotation_both_secrets_hold_for_the_overlap(boss, boss_api, at_noon):
    first = issue(boss)
    address = f"{KEYS}/{first.key.pk}/rotate"

    second = boss_api.post(address, {"overlap_hours": 2}).json()

    assert second["previous_valid_until"] == "2026-11-21T14:00:00.000000Z"
    assert second["prefix"] == first.key.shown_prefix
    assert [ask(s).status_code for s in (first.secret, second["secret"])] == [200, 200]

    at_noon.move_to(NOW + timedelta(hours=2))
    refused(ask(first.secret), "The API key has expired.")
    assert ask(second["secret"]).status_code == 200


def test_a_second_rotation_ends_the_first_ones_overlap(boss):
    first = issue(boss)
    turn = {"key_id": first.key.pk, "overlap": timedelta(hours=1), "actor": boss}
    second = rotate_api_key(**turn, now=datetime.now(UTC))
    third = rotate_api_key(**turn, now=datetime.now(UTC))

    statuses = [ask(key.secret).status_code for key in (first, second, third)]
    assert statuses == [401, 200, 200]


def test_a_rotation_without_overlap_ends_the_old_secret_at_once(boss, boss_api):
    first = issue(boss)

    second = boss_api.post(f"{KEYS}/{first.key.pk}/rotate", {"overlap_hours": 0}).json()

    assert [ask(s).status_code for s in (first.secret, second["secret"])] == [401, 200]


def test_a_revoked_key_is_refused_and_stays_so(boss, boss_api):
    issued = issue(boss)
    address = f"{KEYS}/{issued.key.pk}"

    response = boss_api.post(f"{address}/revoke")

    assert (response.status_code, response.json()["status"]) == (200, "revoked")
    refused(ask(issued.secret), "The API key was revoked.")
    for path, send in (
        (f"{address}/revoke", boss_api.post),
        (f"{address}/rotate", boss_api.post),
        (address, boss_api.patch),
    ):
        again = send(path, {})
        assert (again.status_code, again.json()["code"]) == (409, "api_key_revoked")


def test_a_change_of_scopes_holds(boss, boss_api):
    issued = issue(boss, VIEW_STOCK, "orders.view_order")

    boss_api.patch(f"{KEYS}/{issued.key.pk}", {"scopes": ["orders.view_order"]})

    assert ask(issued.secret).status_code == 403
    assert ask(issued.secret, "/api/v1/orders").status_code == 200


def test_every_step_is_in_the_audit_log(boss, boss_api):
    key_id = boss_api.post(KEYS, {"name": "ERP", "scopes": [VIEW_STOCK]}).json()["id"]
    boss_api.patch(f"{KEYS}/{key_id}", {"name": "New ERP"})
    boss_api.post(f"{KEYS}/{key_id}/rotate", {})
    boss_api.post(f"{KEYS}/{key_id}/revoke")

    entries = AuditEntry.objects.filter(subject_id=key_id).order_by("id")
    assert [entry.action for entry in entries] == [
        "api_key_created",
        "api_key_changed",
        "api_key_rotated",
        "api_key_revoked",
    ]
    assert {entry.actor_id for entry in entries} == {boss.pk}
    assert (entries[1].before, entries[1].after) == (
        {"name": "ERP"},
        {"name": "New ERP"},
    )


def test_the_admin_names_the_key_that_did_it(client, boss):
    issued = issue(boss)
    audit.record(boss, "tested", actor_id=issued.key.pk)
    client.force_login(boss)

    page = client.get("/admin/core/auditentry/?q=tested")

    assert ">ERP<" in page.text


def test_an_unknown_key_is_not_found(boss_api, customer):
    response = boss_api.get(f"{KEYS}/{customer.pk}")

    assert (response.status_code, response.json()["code"]) == (404, "api_key_not_found")


def test_the_list_filters_and_costs_the_same_for_any_number(boss, boss_api):
    def listed(**query):
        with CaptureQueriesContext(connection) as queries:
            response = boss_api.get(KEYS, query)
        assert response.status_code == 200
        return [key["name"] for key in response.json()["results"]], len(queries)

    now = datetime.now(UTC)
    create_api_key(name="one", scopes=[VIEW_STOCK], actor=boss, now=now)
    _, with_one = listed()
    gone = create_api_key(name="two", scopes=[VIEW_STOCK], actor=boss, now=now)
    revoke_api_key(key_id=gone.key.pk, actor_id=None, now=now)
    old = now - timedelta(days=400)
    create_api_key(
        name="three",
        scopes=[VIEW_STOCK],
        actor=make_user(roles=("admin",)),
        now=old,
        requests_per_minute=5,
    )

    assert listed() == (["three", "two", "one"], with_one)
    assert listed(status="active")[0] == ["one"]
    assert listed(status="revoked")[0] == ["two"]
    assert listed(status="expired")[0] == ["three"]


def principal(secret):
    request = RequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {secret}")
    found = principal_of_key(request)
    return found and (found.name, found.role)


def test_a_keys_quota_is_found_without_a_query(boss, django_assert_num_queries):
    issued = issue(boss)
    forged = issued.secret[:-1] + ("0" if issued.secret[-1] != "0" else "1")

    with django_assert_num_queries(0):
        assert principal(issued.secret) == (f"key:{issued.key.prefix}", "key")
        assert principal(forged) is None
        assert principal("eyJhbGciOiJIUzI1NiJ9.e30.x") is None


def test_a_key_from_before_a_change_of_the_secret_key_is_still_let_in(boss, settings):
    settings.API_KEY_MEMORY_SECONDS = 60
    issued = issue(boss)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "n" * 50

    assert principal(issued.secret) is None
    assert ask(issued.secret).status_code == 200
    assert principal(issued.secret) == (f"key:{issued.key.prefix}", "key")

    key_memory.clear()
    settings.SECRET_KEY_FALLBACKS = [old]
    assert principal(issued.secret) is not None


def test_each_key_has_a_quota_of_its_own(boss, settings, monkeypatch):
    settings.RATE_LIMIT_MODE = "enforce"
    RateLimitPolicy.objects.exclude(role="key").delete()
    RateLimitPolicy.objects.update(quota=3, window_seconds=3600)
    limited = issue(boss, requests_per_minute=1)
    usual = issue(boss)
    rulebook.refresh()

    assert [ask(limited.secret).status_code for _ in range(2)] == [200, 429]
    assert [ask(usual.secret).status_code for _ in range(4)] == [200, 200, 200, 429]
    policy = ask(limited.secret).headers["RateLimit-Policy"]
    assert policy == '"own";q=1;w=60'


def test_a_quota_is_changed_and_taken_back(boss, boss_api):
    issued = issue(boss, requests_per_minute=10)
    address = f"{KEYS}/{issued.key.pk}"

    changed = boss_api.patch(address, {"requests_per_minute": 20}).json()
    assert changed["requests_per_minute"] == 20
    assert RateLimitPolicy.objects.get(name="own").quota == 20

    back = boss_api.patch(address, {"requests_per_minute": None}).json()
    assert back["requests_per_minute"] is None
    assert not RateLimitPolicy.objects.filter(name="own").exists()


WATCHER = """
import sys
import django; django.setup()
from django.conf import settings
settings.API_KEY_MEMORY_SECONDS = 3.0
from django.utils import timezone
from accounts.auth._key_tokens import KeyToken
from accounts.auth._keys import machine_of
from core.exceptions import AuthenticationFailedError
import time
mode, prefix = sys.argv[1].split("_")[1:3]
while True:
    try:
        machine_of(KeyToken(sys.argv[1], mode, prefix), now=timezone.now())
        print("in", flush=True)
    except AuthenticationFailedError as error:
        print(error.detail, flush=True)
    time.sleep(0.05)
"""


@pytest.mark.django_db(transaction=True)
def test_a_revocation_holds_in_every_process_within_five_seconds():
    issued = issue(make_user(roles=("admin",)))
    with running("-c", WATCHER, issued.secret) as other:
        assert other.stdout.readline() == b"in\n"

        revoked_at = time.monotonic()
        revoke_api_key(key_id=issued.key.pk, actor_id=None, now=NOW)

        wait_until(
            lambda: other.stdout.readline() == b"The API key was revoked.\n", seconds=5
        )
        assert time.monotonic() - revoked_at < 5
